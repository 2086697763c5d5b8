"""From what is raised to what is answered, once for every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from datalab.errors import TransientError, UsageError
from session_api.web.replies import JsonReply, detail_reply, transient_reply, usage_reply

#: From what was raised to what is answered.
ErrorRenderer = Callable[[Request, Exception], Awaitable[Response]]

#: Field errors in the words clients of the reference know, by pydantic's name for them.
_TEXTS: Mapping[str, str] = {
    "missing": "This field is required.",
    "string_type": "Not a valid string.",
    "string_too_short": "This field may not be blank.",
    "string_too_long": "Ensure this field has no more than {max_length} characters.",
    "list_type": 'Expected a list of items but got type "{type}".',
    "dict_type": 'Expected a dictionary of items but got type "{type}".',
    "int_type": "A valid integer is required.",
    "int_from_float": "A valid integer is required.",
    "int_parsing": "A valid integer is required.",
    "bool_type": "Must be a valid boolean.",
    "too_long": "Ensure this field has no more than {max_length} elements.",
    "greater_than": "Ensure this value is greater than {gt}.",
    "less_than": "Ensure this value is less than {lt}.",
}


async def render_for_api(request: Request, error: Exception) -> Response:
    """Return what clients of `/api/` are told: a usage error, an absent server, wrong fields, no such path."""
    match error:
        case UsageError():
            return usage_reply(error)
        case TransientError():
            return transient_reply(error)
        case RequestValidationError():
            return _validation_reply(error)
        case HTTPException():
            return _http_reply(request, error)
        case _:
            raise error


def add_error_handlers(app: FastAPI, *, render: ErrorRenderer = render_for_api) -> None:
    """Answer the errors that are not bugs as the clients of this application expect them."""
    for kind in (UsageError, TransientError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, render)


def _http_reply(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return detail_reply(404, "Not found.")
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        return detail_reply(405, f'Method "{request.method}" not allowed.', {"Allow": allowed})
    return detail_reply(error.status_code, error.detail, error.headers)


def _validation_reply(error: RequestValidationError) -> Response:
    if is_about_the_path(error):
        return detail_reply(404, "Not found.")
    return JsonReply(fields_of(error), 400)


def is_about_the_path(error: RequestValidationError) -> bool:
    """Tell whether a part of the path is wrong: an id that is no positive integer names nothing."""
    return any(problem["loc"][0] == "path" for problem in error.errors())


def fields_of(error: RequestValidationError) -> dict[str, list[str]]:
    """Return what is wrong with each field of a request."""
    fields: dict[str, list[str]] = {}
    for problem in error.errors():
        where: Sequence[Any] = problem["loc"][1:]
        field = str(where[0]) if where else "non_field_errors"
        text = _whole_body(problem) if not where else _text(problem)
        if len(where) > 1:
            text = f"{'.'.join(map(str, where[1:]))}: {text}"
        fields.setdefault(field, []).append(text)
    return fields


def _whole_body(problem: Mapping[str, Any]) -> str:
    if problem["input"] is None:
        return "No data provided"
    return f"Invalid data. Expected a dictionary, but got {type(problem['input']).__name__}."


def _text(problem: Mapping[str, Any]) -> str:
    kind, given = problem["type"], problem["input"]
    if given is None and kind != "missing":
        return "This field may not be null."
    text: str = problem["msg"]
    return _TEXTS[kind].format(type=type(given).__name__, **problem.get("ctx", {})) if kind in _TEXTS else text


def _methods(request: Request) -> list[str]:
    """Return every method some route answers on the request's path."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in here for method in route.methods or ()})
