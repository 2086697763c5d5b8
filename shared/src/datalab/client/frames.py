"""Asks the archive for frames."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from datalab.client.rest import ApiRefusedError, Datalab, JsonObject

_PAGE: Final = 200
#: How soon, and how seldom at the most, it is looked whether a frame is gone.
_FIRST_LOOK_S, _LAST_LOOK_S = 0.1, 2.0
#: What stands for other characters in a pattern of names.
_WILD: Final = re.compile(r"[*?\[\]]")


class NoFrameError(Exception):
    """There is no such frame, or it is somebody else's; or no object of that name. The text says which."""


async def each_frame(api: Datalab, **filters: Any) -> AsyncGenerator[JsonObject, None]:
    """Yield frames that fit, the newest first, however many there are; filters are those of `/api/frames/`."""
    page: JsonObject = {"next": True}
    cursor: str | None = None
    while page["next"]:
        place = {"cursor": cursor} if cursor else {"pagination_style": "cursor"}
        params = {"limit": _PAGE, "include_related_frames": False, **filters, **place}
        page = await api.call("GET", "frames/", params=params)
        for frame in page["results"]:
            yield frame
        if page["next"]:
            (cursor,) = parse_qs(urlsplit(page["next"]).query)["cursor"]


async def frames_named(api: Datalab, word: str) -> list[JsonObject]:
    """Return the frames a word names: a number, a base name, or a pattern of these. Raises `NoFrameError`."""
    if word.isascii() and word.isdecimal():
        try:
            return [await api.call("GET", f"frames/{word}/")]
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
    wild = bool(_WILD.search(word))
    filters = {"basename": max(_WILD.split(word), key=len)} if wild else {"basename_exact": word}
    found = [frame async for frame in each_frame(api, **filters) if not wild or fnmatchcase(frame["basename"], word)]
    if not found:
        raise NoFrameError(f"there is no frame {word!r}, or none you may read")
    return found


async def position_of(api: Datalab, name: str) -> tuple[float, float]:
    """Return where an object is: ICRS right ascension and declination, degrees. Raises `NoFrameError`."""
    found = await api.call("GET", f"names/{quote(name, safe='')}")
    if "error" in found:
        raise NoFrameError(found["error"])
    return found["ra"], found["dec"]


async def remove_frame(api: Datalab, frame_id: int, *, force: bool, within_s: float) -> None:
    """Delete a frame with its files, and return when it is gone; with `force` also one that sessions show.

    Raises `ApiRefusedError` for a frame that is in use (409) or not one's own (403), `TimeoutError`.
    """
    path = f"frames/{frame_id}/"
    await api.call("DELETE", path, repeat=True, params={"force": True} if force else {})
    pause_s = _FIRST_LOOK_S
    async with asyncio.timeout(within_s):
        while await _is_there(api, path):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_LOOK_S)


async def _is_there(api: Datalab, path: str) -> bool:
    try:
        await api.call("GET", path)
    except ApiRefusedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True
