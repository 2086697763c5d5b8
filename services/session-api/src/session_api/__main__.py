"""`python -m session_api`: serve until told to stop."""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datalab.platform.logging import configure_logging
from session_api.context import SERVICE
from session_api.main import create_app
from session_api.settings import SessionApiSettings


def main() -> None:
    """Exit with 0 after a clean stop, with 1 if a server is away at the start."""
    settings = SessionApiSettings()
    configure_logging(settings, service=SERVICE)
    server = uvicorn.Server(
        uvicorn.Config(
            _with_short_reasons(create_app(settings)),
            host=settings.http_host,
            port=settings.http_port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
    server.run()
    sys.exit(0 if server.started else 1)


def _with_short_reasons(app: ASGIApp) -> ASGIApp:
    """Leave the traceback out of a failed start whose reason is one of our own errors: it says all there is."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def shortened(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                kind, _, reason = message["message"].strip().rpartition("\n")[2].partition(": ")
                if kind.startswith("datalab.platform."):
                    message = {**message, "message": reason}
            await send(message)

        await app(scope, receive, shortened if scope["type"] == "lifespan" else send)

    return wrapped


if __name__ == "__main__":
    main()
