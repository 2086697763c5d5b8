"""Files of a site, stored in the object store and announced on the bus."""

from __future__ import annotations

import asyncio
import mimetypes
from functools import partial
from pathlib import Path

from nats.js.errors import BadRequestError
from pydantic import ValidationError

from datalab.cli.fates import Fate, Told
from datalab.errors import TransientError, UsageError
from datalab.events.frames import (
    VERDICTS,
    FileRejected,
    FileStored,
    FileUnchanged,
    FrameIngested,
    Verdict,
    verdict_subject,
)
from datalab.events.object_keys import data_key
from datalab.platform.bus.connection import Bus
from datalab.platform.objects.store import ObjectStore


class Verdicts:
    """Listens to what the archive says of a site's files, and knows what it said in answer to an announcement."""

    def __init__(self, bus: Bus, *, site: str) -> None:
        self._bus = bus
        self._site = site
        self._waiting: dict[str, asyncio.Future[Verdict]] = {}

    async def start(self) -> None:
        """Listen from now on. Raises `TransientError`."""
        for kind in VERDICTS:
            await self._bus.listen(verdict_subject(kind, self._site), partial(self._take, kind))

    def expect(self, announcement: FileStored) -> None:
        """Keep what is said of a file until somebody asks: from before it is announced."""
        self._waiting[announcement.correlation_id] = asyncio.get_running_loop().create_future()

    async def of(self, announcement: FileStored, *, within_s: float) -> Verdict:
        """Return what was said of an expected file. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            return await self._waiting[announcement.correlation_id]

    async def _take(self, kind: type[Verdict], _subject: str, body: bytes) -> None:
        try:
            event = kind.decode(body)
        except ValidationError:
            return  # of another version: the file is announced all the same
        waiting = self._waiting.get(event.correlation_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(event)


class BusSender:
    """Stores and announces files of a site, and waits for the archive's word on each."""

    def __init__(self, *, store: ObjectStore, bus: Bus, site: str, timeout_s: float) -> None:
        self._store = store
        self._bus = bus
        self._site = site
        self._timeout_s = timeout_s
        self._verdicts = Verdicts(bus, site=site)

    async def start(self) -> None:
        await self._verdicts.start()

    async def told(self, path: Path, announcement: FileStored) -> Told:
        """Return what became of a file that was sent."""
        try:
            said = await self._verdicts.of(announcement, within_s=self._timeout_s)
        except TimeoutError:
            reason = f"stored and announced, but the archive has not looked at it within {self._timeout_s:g} s"
            return Told(file=str(path), verdict=Fate.UNKNOWN, reason=reason)
        match said:
            case FrameIngested():
                return Told(file=str(path), verdict=Fate.INGESTED, frame=said.basename)
            case FileRejected():
                return Told(file=str(path), verdict=Fate.REFUSED, reason=said.reason)
            case FileUnchanged():
                return Told(file=str(path), verdict=Fate.UNCHANGED, reason=said.reason)

    async def send(self, path: Path) -> FileStored:
        """Store and announce a file; return the announcement.

        Raises `UsageError` for a file that is refused at once, `TransientError`.
        """
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        stored = await self._store.put_file(data_key(path.name), path, content_type=media_type)
        announcement = FileStored(
            site=self._site,
            key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            producer="datalab observatory simulate",
        )
        self._verdicts.expect(announcement)
        try:
            await self._bus.publish(announcement)
        except TransientError as error:
            refusal = error.__cause__
            if isinstance(refusal, BadRequestError):  # the archive has read it and says no, as it does to sites
                raise UsageError(refusal.description or error.message) from error
            raise
        return announcement
