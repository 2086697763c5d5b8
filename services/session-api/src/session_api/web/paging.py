"""Lists in pages: `limit` and `offset`, and links to the pages beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlencode

from fastapi import Query
from starlette.requests import Request

from session_api.settings import SessionApiSettings
from session_api.web.replies import JsonReply
from session_api.web.window import Window

_LARGEST_OFFSET = 2**31 - 1  # what MongoDB skips

LimitParameter = Annotated[str | None, Query(description="most entries to return; what is not a number is ignored")]
OffsetParameter = Annotated[str | None, Query(description="entries to skip; what is not a number is ignored")]


class Paging:
    """The limits lists have here."""

    def __init__(self, *, page_size: int, max_page_size: int) -> None:
        self._page_size = page_size
        self._max_page_size = max_page_size

    @classmethod
    def of(cls, settings: SessionApiSettings) -> Self:
        """Return what the settings say."""
        return cls(page_size=settings.page_size, max_page_size=settings.max_page_size)

    def window(self, limit: str | None, offset: str | None) -> Window:
        """Return the part of the list a client asks for, as far as it may."""
        return Window(
            limit=min(_number(limit) or self._page_size, self._max_page_size),
            offset=min(_number(offset) or 0, _LARGEST_OFFSET),
        )


def page_reply(request: Request, window: Window, count: int, results: Sequence[Any]) -> JsonReply:
    """Return one page of a list of `count` entries."""
    following, preceding = window.offset + window.limit, window.offset - window.limit
    return JsonReply(
        {
            "count": count,
            "next": _link(request, window.limit, following) if following < count else None,
            "previous": _link(request, window.limit, preceding) if window.offset > 0 else None,
            "results": results,
        }
    )


def _link(request: Request, limit: int, offset: int) -> str:
    """Return the same list from another offset; the other parameters stay, an offset of 0 is left out."""
    parameters = dict(parse_qsl(request.url.query, keep_blank_values=True))
    parameters |= {"limit": str(limit)}
    parameters.pop("offset", None)
    if offset > 0:
        parameters["offset"] = str(offset)
    return f"{request.url.scheme}://{request.url.netloc}{request.url.path}/?{urlencode(sorted(parameters.items()))}"


def _number(text: str | None) -> int | None:
    if text is None or len(text) > 18 or not text.isascii() or not text.isdecimal():
        return None
    return int(text)
