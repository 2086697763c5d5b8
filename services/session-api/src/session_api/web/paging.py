"""Lists in pages: `limit` and `offset`, and links to the pages beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Query
from starlette.requests import Request

from session_api.web.dependencies import provided
from session_api.web.replies import JsonReply
from session_api.web.window import Window

_LARGEST_OFFSET = 2**31 - 1  # what MongoDB skips


class Paging:
    """The limits lists have here."""

    def __init__(self, *, page_size: int, max_page_size: int) -> None:
        self._page_size = page_size
        self._max_page_size = max_page_size

    def window(self, limit: str | None, offset: str | None) -> Window:
        """Return the part of the list a client asks for, as far as it may."""
        return Window(
            limit=min(_number(limit) or self._page_size, self._max_page_size),
            offset=min(_number(offset) or 0, _LARGEST_OFFSET),
        )


async def _window(
    paging: Annotated[Paging, provided(Paging)],
    limit: Annotated[str | None, Query(description="most entries to return; what is not a number is ignored")] = None,
    offset: Annotated[str | None, Query(description="entries to skip; what is not a number is ignored")] = None,
) -> Window:
    return paging.window(limit, offset)


#: The part of a list that the request asks for.
PageWindow = Annotated[Window, Depends(_window)]


def page_reply(
    request: Request, window: Window, count: int, results: Sequence[object], *, estimated: bool = False, **more: object
) -> JsonReply:
    """Return one page of a list of `count` entries. It may end before its limit: the next one begins there.

    Where the count is an estimate, only an empty page is the last.
    """
    following, preceding = window.offset + len(results), window.offset - window.limit
    goes_on = bool(results) and (estimated or following < count)
    return JsonReply(
        {
            "count": count,
            **more,
            "next": page_link(request, limit=window.limit, offset=following) if goes_on else None,
            "previous": page_link(request, limit=window.limit, offset=preceding) if window.offset > 0 else None,
            "results": results,
        }
    )


def page_link(request: Request, *, limit: int, offset: int = 0, cursor: str | None = None) -> str:
    """Return the same list from another place; the other parameters stay, an offset of 0 is left out."""
    parameters = [
        (name, value)
        for name, value in parse_qsl(request.url.query, keep_blank_values=True)
        if name not in {"limit", "offset", "cursor"}
    ]
    parameters.append(("limit", str(limit)))
    if offset > 0:
        parameters.append(("offset", str(offset)))
    if cursor is not None:
        parameters.append(("cursor", cursor))
    stage = request.scope.get("state", {}).get("stage", "")
    path = f"{stage}{request.url.path}"
    return f"{request.url.scheme}://{request.url.netloc}{path}/?{urlencode(sorted(parameters))}"


def _number(text: str | None) -> int | None:
    if text is None or len(text) > 18 or not text.isascii() or not text.isdecimal():
        return None
    return int(text)
