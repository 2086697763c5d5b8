"""What every request passes before it reaches a route."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from session_api.accounts.middleware import Authentication
from session_api.context import Context
from session_api.web.body_limit import BodyLimit
from session_api.web.observation import Observation
from session_api.web.paths import PathRule


def add_middleware(app: FastAPI, context: Context) -> None:
    """Add all of it; the last one added is the first one a request meets."""
    app.add_middleware(BodyLimit, max_bytes=context.settings.max_request_bytes)
    app.add_middleware(Authentication, authenticator=context.authenticator)
    app.add_middleware(Observation, metrics=context.metrics)
    app.add_middleware(PathRule)
    # Any page may ask, with a token it was given; cookies are not used, so none are allowed.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Correlation-Id"],
    )
