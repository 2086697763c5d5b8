"""A service as an ASGI application, and as a process."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from datalab.errors import UsageError
from datalab.platform.assembly import Capability, Core, running
from datalab.platform.environment import forget_secrets
from datalab.platform.health import AsgiApp, Message, Receive, Scope, Send, health_routes
from datalab.platform.http_server import HTTP_OPTIONS
from datalab.platform.known_settings import mistyped_settings
from datalab.platform.logging import configure_logging, get_logger
from datalab.platform.settings import ServiceSettings, SettingsT, settings_of

_log = get_logger(__name__)

#: After this long without an answer to a closing websocket, the process ends all the same.
_CONNECTIONS_GRACE_S = 5


def worker_app(core: Core, capabilities: Sequence[Capability]) -> Starlette:
    """Return a service without routes of its own: it works on what the bus brings, and tells over HTTP how it is."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with running(core, capabilities):
            yield

    health = health_routes(core.health(capabilities), core.registry, observed_from=core.observed_from)
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in health], lifespan=lifespan)


def settings_from_environment(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of a service; the process ends, with one line that says why, where one of them cannot be."""
    try:
        return settings_of(kind)
    except UsageError as error:
        sys.exit(error.message)


def run_service(app: Any, *, settings: ServiceSettings, service: str, **server_options: Any) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT, with this service's logging.

    Exits 1 if it cannot start, with one line that says why. `server_options` are uvicorn's, for what is particular to
    one service.
    """
    configure_logging(settings, service=service)
    for line in mistyped_settings(os.environ):
        _log.warning("settings.unknown", reason=line)
    forget_secrets()  # they were read into the settings; processes that look at files have no use for them
    config = uvicorn.Config(
        _with_short_reasons(app, packages=("datalab", type(settings).__module__.partition(".")[0])),
        host=settings.http_host,
        port=settings.http_port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_CONNECTIONS_GRACE_S,
        **{"ws_ping_interval": 20.0, "ws_ping_timeout": 20.0, **HTTP_OPTIONS, **server_options},
    )
    server = uvicorn.Server(config)
    # All that was loaded stays: looking through it for what could go would stop everything for 80 ms now and then.
    gc.freeze()
    try:
        server.run()
    finally:
        if not server.started:
            sys.exit(1)  # uvicorn exits with a number of its own


def _with_short_reasons(app: AsgiApp, *, packages: Collection[str]) -> AsgiApp:
    """Leave the traceback out of a failed start whose reason is an error of these packages: its text says all."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def shortened(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                kind, _, reason = message["message"].strip().rpartition("\n")[2].partition(": ")
                if "." in kind and kind.partition(".")[0] in packages:
                    message = {**message, "message": reason}
            await send(message)

        await app(scope, receive, shortened if scope["type"] == "lifespan" else send)

    return wrapped
