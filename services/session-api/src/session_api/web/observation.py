"""Each request gets a correlation id, is counted and timed, and is answered even when we have a bug."""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datalab.errors import UNKNOWN_ERROR_MESSAGE
from datalab.events.envelope import new_id
from datalab.platform.logging import bind_correlation, get_logger
from session_api.web.metrics import HttpMetrics
from session_api.web.replies import JsonReply

_log = get_logger(__name__)

_HEADER = b"x-correlation-id"


class Observation:
    """ASGI middleware: puts `correlation_id` into the request's state."""

    def __init__(self, app: ASGIApp, *, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = new_id()
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        began = perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (_HEADER, correlation_id.encode())]}
            await send(message)

        with bind_correlation(correlation_id=correlation_id):
            try:
                await self._app(scope, receive, watched)
            except Exception:
                _log.exception("http.request_failed", method=scope["method"], route=_template(scope))
                if status:
                    raise
                answer = JsonReply({"detail": UNKNOWN_ERROR_MESSAGE, "error": UNKNOWN_ERROR_MESSAGE}, 500)
                await answer(scope, receive, watched)
            finally:
                seconds = perf_counter() - began
                self._metrics.request(method=_method(scope), route=_template(scope), status=status, seconds=seconds)


def _template(scope: Scope) -> str:
    """Return the path as the route declares it. Routes outside FastAPI leave no trace but their endpoint."""
    unnamed: str = scope["path"] if "endpoint" in scope else "unmatched"
    return getattr(scope.get("route"), "path", unnamed)


def _method(scope: Scope) -> str:
    """A client may send any word; only those HTTP knows become labels."""
    method: str = scope["method"]
    return method if method in {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} else "other"
