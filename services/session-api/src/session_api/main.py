"""The session API as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import Route

from datalab.platform.health import health_routes
from session_api.accounts import http as http_users
from session_api.analysis import http as http_analysis
from session_api.context import create_context, running
from session_api.feed import bus as bus_frames
from session_api.feed import websocket as ws_feed
from session_api.middleware import add_middleware
from session_api.offers import http as http_catalogue
from session_api.operations import bus as bus_reports
from session_api.operations import bus_undeliverable
from session_api.operations import http as http_operations
from session_api.sessions import http as http_sessions
from session_api.settings import SessionApiSettings
from session_api.web import documents as http_documents
from session_api.web.errors import add_error_handlers


def create_app(settings: SessionApiSettings) -> FastAPI:
    """Return the application. Servers are connected when it starts."""
    context = create_context(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(context):
            yield

    app = FastAPI(
        title="Datalab session API",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # the page would load its scripts from somebody else's server
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.context = context
    add_error_handlers(app)
    app.router.routes += [Route(path, endpoint) for path, endpoint in health_routes(context.health, context.registry)]
    for http in (http_documents, http_sessions, http_operations, http_catalogue, http_analysis, http_users, ws_feed):
        # Flat, not as included routers: the answer to a wrong method names every method of its path.
        app.router.routes += http.routes(context).routes
    for messages in (bus_reports, bus_undeliverable, bus_frames):
        context.bus.subscribe(messages.subscription(context))
    add_middleware(app, context)
    return app
