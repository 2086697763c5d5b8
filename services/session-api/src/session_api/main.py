"""The session API as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from datalab.platform.assembly import running
from session_api.assembly import assemble, create_core
from session_api.settings import SessionApiSettings
from session_api.web.errors import add_error_handlers


def create_app(settings: SessionApiSettings) -> FastAPI:
    """Return the application. Servers are connected when it starts."""
    core = create_core(settings)
    capabilities, web = assemble(core, settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(core, capabilities):
            yield

    app = FastAPI(
        title="Datalab session API",
        version="1",
        openapi_url=None,  # the route declares, as all do, who may call it
        docs_url=None,  # the page would load its scripts from somebody else's server
        redoc_url=None,
        redirect_slashes=False,
        middleware=web.middleware,
        lifespan=lifespan,
    )
    app.state.core, app.state.capabilities = core, capabilities  # tests look at them; routes ask for services
    app.state.services = {type(service): service for each in capabilities for service in each.services}
    add_error_handlers(app)
    for capability in capabilities:
        # Flat, not as included routers: the answer to a wrong method names every method of its path.
        app.router.routes += capability.routes
    return app
