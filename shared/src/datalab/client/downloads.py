"""Saves what a link leads to, and goes on where it was left: after a lost connection, and when started anew."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

import httpx

from datalab.client.patience import LONG_S, patient
from datalab.client.rest import ApiRefusedError, ApiUnreachableError

_TIMEOUT_S: Final = 30.0
_READ_BYTES: Final = 1024**2
#: A file that came damaged is fetched so often at the most.
_TRIES: Final = 3
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class DamagedFileError(ApiUnreachableError):
    """A file arrives otherwise than it is stored, again and again."""


async def save_link(
    link: str,
    path: Path,
    *,
    version: str = "",
    md5: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Write what a signed link leads to into a file, however large it is; return its size in bytes.

    The file appears when it is complete; until then it is beside that, as `<name>.<digits>.part`, from which the next
    call goes on. `version` tells one content of the link's object from another. With an `md5`, in hexadecimal, the file
    is compared. `on_progress` is told of bytes, also of those that were there; what was damaged counts back.

    Raises `ApiRefusedError`, `ApiUnreachableError` after some minutes, `OSError` if the file cannot be written.
    """
    draft = draft_of(link, path, version=version)
    for _ in range(_TRIES):
        size_bytes = await _completed(link, draft, on_progress)
        if md5 is None or await asyncio.to_thread(md5_of, draft) == md5:
            draft.replace(path)
            return size_bytes
        draft.unlink()
        on_progress(-size_bytes)
    raise DamagedFileError(f"{_shown(link)} arrived damaged {_TRIES} times")


def draft_of(link: str, path: Path, *, version: str = "") -> Path:
    """Return where an unfinished file is: by what it is of, so that nothing is put together of two."""
    digits = hashlib.sha256(f"{_shown(link)}\n{version}".encode(errors="surrogateescape")).hexdigest()[:12]
    return path.with_name(f"{path.name}.{digits}.part")


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal: what object stores tell of theirs."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


async def _completed(link: str, draft: Path, on_progress: Callable[[int], None]) -> int:
    """Have the draft complete; return its size. A connection that brought something is followed by another."""
    told = 0

    def tell(size_bytes: int) -> None:
        nonlocal told
        on_progress(size_bytes - told)
        told = size_bytes

    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as anonymous:
        while True:
            begun = _size_of(draft)
            try:
                if await _went_on(anonymous, link, draft, begun, tell):
                    return told
            except httpx.TransportError as error:
                if _size_of(draft) <= begun:
                    raise ApiUnreachableError(f"{_shown(link)} cannot be read: {error}") from error


async def _went_on(client: httpx.AsyncClient, link: str, draft: Path, begun: int, tell: Callable[[int], None]) -> bool:
    """Write what follows the bytes that are there; return False when these are of no use, and gone."""
    async with _opened(client, link, begun) as reply:
        if reply.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and begun:
            complete: bool = reply.headers.get("Content-Range") == f"bytes */{begun}"
            if complete:
                tell(begun)
            else:
                await asyncio.to_thread(draft.unlink)
            return complete
        if not reply.is_success:
            await reply.aread()
            raise ApiRefusedError("GET", _shown(link), reply)
        with draft.open("r+b" if begun else "wb") as file:
            _go_to(file, _start_of(reply))
            tell(file.tell())
            async for part in reply.aiter_bytes():
                file.write(part)
                tell(file.tell())
    return True


def _size_of(draft: Path) -> int:
    try:
        return draft.stat().st_size
    except FileNotFoundError:
        return 0


def _go_to(file: IO[bytes], start: int) -> None:
    """Have the file end where the answer begins."""
    file.seek(start)
    file.truncate()


def _start_of(reply: httpx.Response) -> int:
    """Return which byte an answer begins with: some servers answer a range with status 200, others with everything."""
    found = _RANGE.fullmatch(reply.headers.get("Content-Range", ""))
    return int(found[1]) if found else 0


@asynccontextmanager
async def _opened(client: httpx.AsyncClient, link: str, begun: int) -> AsyncIterator[httpx.Response]:
    """Give the block the answer, its body not read yet."""
    # Bytes as they are stored: a range of what is compressed on the way is none of the file's.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    opened: list[httpx.Response] = []

    async def send() -> httpx.Response:
        for earlier in opened:
            await earlier.aclose()
        opened.append(await client.send(client.build_request("GET", link, headers=headers), stream=True))
        return opened[-1]

    try:
        yield await patient(send, patience_s=LONG_S)
    finally:
        for each in opened:
            await each.aclose()


def _shown(link: str) -> str:
    """Return a link without what makes it one."""
    return link.partition("?")[0]
