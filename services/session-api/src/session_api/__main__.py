"""`python -m session_api`."""

from __future__ import annotations

from datalab.platform.service import run_service, settings_from_environment
from session_api import SERVICE
from session_api.feed.server import WEBSOCKET_OPTIONS
from session_api.main import create_app
from session_api.settings import SessionApiSettings

if __name__ == "__main__":
    settings = settings_from_environment(SessionApiSettings)
    run_service(create_app(settings), settings=settings, service=SERVICE, **WEBSOCKET_OPTIONS)
