"""From what is raised to what is answered, once for every route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from datalab.errors import TransientError, UsageError
from session_api.web.replies import JsonReply, detail_reply, transient_reply, usage_reply

#: Field errors in the words clients of the reference know, by pydantic's name for them.
_TEXTS: Mapping[str, str] = {
    "missing": "This field is required.",
    "string_type": "Not a valid string.",
    "string_too_short": "This field may not be blank.",
    "string_too_long": "Ensure this field has no more than {max_length} characters.",
    "string_pattern_mismatch": "Enter a valid value.",
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


def add_error_handlers(app: FastAPI) -> None:
    """Answer usage errors, absent servers, wrong fields, unknown paths and methods."""
    app.add_exception_handler(UsageError, _usage_error)
    app.add_exception_handler(TransientError, _transient_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _usage_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UsageError)
    return usage_reply(error)


async def _transient_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TransientError)
    return transient_reply(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return detail_reply(404, "Not found.")
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        return detail_reply(405, f'Method "{request.method}" not allowed.', {"Allow": allowed})
    return detail_reply(error.status_code, error.detail, error.headers)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["loc"][0] == "path" for problem in problems):
        return detail_reply(404, "Not found.")  # an id that is no positive integer names nothing
    fields: dict[str, list[str]] = {}
    for problem in problems:
        where: Sequence[Any] = problem["loc"][1:]
        field = str(where[0]) if where else "non_field_errors"
        text = _whole_body(problem) if not where else _text(problem)
        if len(where) > 1:
            text = f"{'.'.join(map(str, where[1:]))}: {text}"
        fields.setdefault(field, []).append(text)
    return JsonReply(fields, 400)


def _whole_body(problem: Mapping[str, Any]) -> str:
    if problem["input"] is None:
        return "No data provided"
    return f"Invalid data. Expected a dictionary, but got {type(problem['input']).__name__}."


def _text(problem: Mapping[str, Any]) -> str:
    kind, given = problem["type"], problem["input"]
    if given is None and kind != "missing":
        return "This field may not be null."
    text: str = _TEXTS.get(kind, problem["msg"])
    return text.format(type=type(given).__name__, **problem.get("ctx", {}))


def _methods(request: Request) -> list[str]:
    """Return every method some route answers on the request's path."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in here for method in route.methods or ()})
