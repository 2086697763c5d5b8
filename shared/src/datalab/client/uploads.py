"""Sends files in parts, and goes on where it was left: after a lost connection, and when started anew."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from datalab.client.patience import LONG_S
from datalab.client.rest import ApiUnreachableError, Datalab, JsonObject

#: States of an upload that nothing follows.
SETTLED: Final = frozenset({"ingested", "refused"})
_READ_BYTES: Final = 1024**2
#: A part that came damaged is sent so often at the most.
_TRIES: Final = 3
#: Where it is looked what became of a file: soon at first.
_FIRST_LOOK_S, _LAST_LOOK_S = 0.1, 2.0


class DamagedPartError(ApiUnreachableError):
    """A part arrives damaged, again and again."""


async def send_file(api: Datalab, path: Path, *, on_progress: Callable[[int], None] = lambda _: None) -> JsonObject:
    """Upload a file and return the upload, which may not have been looked at yet; a file that is there is not sent.

    `on_progress` is told of bytes that have arrived, also of those that had arrived before. Raises `OSError`,
    `ApiRefusedError`, `ApiUnreachableError` after some minutes.
    """
    size_bytes, sha256 = await asyncio.to_thread(_described, path)
    described = {"file_name": path.name, "size_bytes": size_bytes, "sha256": sha256}
    upload = await api.call("POST", "frames/upload/", repeat=True, json=described)
    if upload["state"] != "receiving":
        on_progress(size_bytes)
        return upload
    part_bytes, missing = upload["part_bytes"], upload["missing"]
    to_come = sum(min(part_bytes, size_bytes - (number - 1) * part_bytes) for number in missing)
    on_progress(size_bytes - to_come)
    for number in missing:
        part = await asyncio.to_thread(_part, path, (number - 1) * part_bytes, part_bytes)
        await _send_part(api, upload["id"], number, part)
        on_progress(len(part))
    return await _patiently(api, "POST", f"frames/upload/{upload['id']}/complete/")


async def settled(api: Datalab, upload: JsonObject, *, within_s: float) -> JsonObject:
    """Return an upload once the archive has looked at the file. Raises `TimeoutError`."""
    pause_s = _FIRST_LOOK_S
    async with asyncio.timeout(within_s):
        while upload["state"] not in SETTLED:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_LOOK_S)
            upload = await _patiently(api, "GET", f"frames/upload/{upload['id']}/")
    return upload


async def _send_part(api: Datalab, upload_id: str, number: int, part: bytes) -> None:
    sha256 = hashlib.sha256(part).hexdigest()
    for _ in range(_TRIES):
        said = await _patiently(api, "PUT", f"frames/upload/{upload_id}/parts/{number}/", content=part)
        if said["sha256"] == sha256:
            return
    raise DamagedPartError(f"part {number} arrived damaged {_TRIES} times")


async def _patiently(api: Datalab, method: str, path: str, **options: object) -> JsonObject:
    """Ask as often as it takes while the API is away: every request of an upload may be repeated."""
    return await api.call(method, path, repeat=True, patience_s=LONG_S, **options)


def _described(path: Path) -> tuple[int, str]:
    sha256, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            sha256.update(piece)
            size_bytes += len(piece)
    return size_bytes, sha256.hexdigest()


def _part(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)
