"""Reading JSON from outside: exactly RFC 8259, and only what the document store can keep.

Python's parser takes more than JSON (NaN, Infinity) and BSON less (64-bit integers, no lone surrogates).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from session_api.web.bodies import ANY_ROUTE, ErrorResponses
from session_api.web.dependencies import caller_of

#: MongoDB nests documents 100 deep; what it stores for us lies some levels down already.
MAX_DEPTH = 50
#: Forty times what the largest request of the user interface has. Each costs memory and time a text does not show.
MAX_VALUES = 100_000
_INT64 = 2**63


class JsonParseError(ValueError):
    """The text is not JSON we take; says why."""


def parse_json(body: bytes, *, no_numbers_as_null: bool = False) -> JsonValue:
    """Return the value of a JSON text in UTF-8. Raises `JsonParseError`.

    What Python writes for no number and for infinity is refused, or read as null.
    """
    constant, real = (_null, _finite_or_null) if no_numbers_as_null else (_refuse_constant, _finite)
    try:
        value: JsonValue = json.loads(body.decode(), parse_constant=constant, parse_float=real, parse_int=_int64)
    except UnicodeDecodeError as error:
        raise JsonParseError(f"invalid UTF-8 at byte {error.start}") from error
    except RecursionError:
        raise JsonParseError(f"nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise JsonParseError(str(error)) from error
    _check(value)
    return value


class StrictJsonRoute(APIRoute):
    """A route whose JSON body is read by `parse_json`. A body without a content type counts as JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
            if self.body_field is not None and media_type != "application/json" and not media_type.endswith("+json"):
                raise HTTPException(415, f'Unsupported media type "{media_type[:100]}" in request.')
            return await handle(_StrictJsonRequest(request.scope, request.receive))

        return strict


def json_router(
    prefix: str,
    *,
    tag: str,
    errors: ErrorResponses | None = None,
    route_class: type[StrictJsonRoute] = StrictJsonRoute,
) -> APIRouter:
    """Return a router for routes that take JSON from known users; `errors` are those that each of them can answer."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=route_class,
        strict_content_type=False,
        responses={**ANY_ROUTE, **(errors or {})},
        dependencies=[Depends(caller_of)],
    )


class _StrictJsonRequest(Request):
    async def json(self) -> Any:
        try:
            return parse_json(await self.body())
        except JsonParseError as error:
            raise HTTPException(400, f"JSON parse error - {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise JsonParseError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonParseError(f"the number {text[:40]} is too large")
    return value


def _null(_name: str) -> None:
    return None


def _finite_or_null(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _int64(text: str) -> int:
    if len(text) > 20 or not -_INT64 <= int(text) < _INT64:  # 20 characters: the longest 64-bit integer with its sign
        raise JsonParseError(f"the integer {text[:40]} needs more than 64 bits")
    return int(text)


def _check(value: JsonValue) -> None:
    """Refuse what is JSON and cannot be kept. Walks level by level: no recursion, whatever the depth."""
    level: list[JsonValue] = [value]
    count = 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_VALUES:
            raise JsonParseError(f"more than {MAX_VALUES} values")
        below: list[JsonValue] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, list):
                below += item
            elif isinstance(item, dict):
                for key in item:
                    _check_text(key)
                below += item.values()
        if not below:
            return
        level = below
    raise JsonParseError(f"nested deeper than {MAX_DEPTH} levels")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JsonParseError("a text with half of a surrogate pair") from None
    if "\0" in text:
        raise JsonParseError("a text with a NUL character")
