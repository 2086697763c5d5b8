"""Answers: compact JSON in UTF-8, always with a Content-Length; clients take a reply without one for empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

from datalab.errors import NotFoundError, TransientError, UsageError
from session_api.web.failures import (
    AuthenticationError,
    ConflictError,
    FieldError,
    ForbiddenError,
    InputRefusedError,
    LateError,
    PreconditionError,
    RefusedError,
    TooLargeError,
    TooManyError,
)

_STATUS: Mapping[type[UsageError], int] = {
    AuthenticationError: 401,
    ForbiddenError: 403,
    RefusedError: 403,
    NotFoundError: 404,
    LateError: 408,
    ConflictError: 409,
    PreconditionError: 412,
    TooLargeError: 413,
}
#: How long a client should wait before it asks an unavailable service again, in seconds.
_RETRY_AFTER_S = 2


class JsonReply(Response):
    """A JSON answer. NaN and infinity, which JSON does not know, become null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def detail_reply(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JsonReply:
    """Return an error with the one text clients log."""
    return JsonReply({"detail": detail}, status, headers)


def empty_reply() -> Response:
    """Return success with nothing to say; clients look for the Content-Length."""
    return Response(status_code=204, headers={"Content-Length": "0"})


def shown_datetime(moment: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def usage_reply(error: UsageError) -> JsonReply:
    """Return what the client is told about its mistake."""
    if isinstance(error, InputRefusedError):
        # `error` is the only key the user interface shows to the user; forms show it beside `input`.
        place = {} if error.input_key is None else {"input": error.input_key}
        return JsonReply({**error.fields, "error": error.text, **place}, 400)
    if isinstance(error, FieldError):
        return JsonReply(error.fields, 400)
    headers = {"WWW-Authenticate": "Token"} if isinstance(error, AuthenticationError) else None
    return detail_reply(usage_status(error), error.message, headers)


def usage_status(error: UsageError) -> int:
    """Return the HTTP status of a client's mistake."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)


def transient_reply(error: TransientError) -> JsonReply:
    """Return that the same request may work later.

    A JSON object, also for too many requests: the software of observatories asks again for what is one, and drops the
    file at a bare text.
    """
    if isinstance(error, TooManyError):
        text = f"Too many requests: {error.message}; try again in {error.retry_after_s} s."
        return detail_reply(429, text, {"Retry-After": str(error.retry_after_s)})
    return detail_reply(503, f"Temporarily unavailable: {error.message}.", {"Retry-After": str(_RETRY_AFTER_S)})
