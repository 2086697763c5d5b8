"""Runs a service as a process."""

from __future__ import annotations

from typing import Any

import uvicorn

from datalab.platform.logging import configure_logging
from datalab.platform.settings import ServiceSettings

#: After this long without an answer to a closing websocket, the process ends all the same.
_CONNECTIONS_GRACE_S = 5


def run_service(app: Any, *, settings: ServiceSettings, service: str) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT, with this service's logging. Exits 3 if it cannot start."""
    configure_logging(settings, service=service)
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_CONNECTIONS_GRACE_S,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
    )
