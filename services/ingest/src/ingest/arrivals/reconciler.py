"""Looks for files in the object store that nobody announced, or whose announcement was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from datalab.documents.file_names import FileName, frame_file_name, parse_file_name
from datalab.documents.upload import Outcome
from datalab.errors import UNKNOWN_ERROR_MESSAGE, TransientError, UsageError
from datalab.events.envelope import derived_id, utc_now
from datalab.events.object_keys import ALLSKY, DATA, INFO_IMAGES
from datalab.platform.logging import bind_correlation, get_logger
from ingest.arrivals.model import Arrival, Origin
from ingest.arrivals.ports import Frames, Meter, Objects, Uploads
from ingest.arrivals.service import Ingestion
from ingest.uploads.model import StoredVersion, same_version, version_id

_log = get_logger(__name__)

#: Objects compared with the documents at once: one page of an S3 listing.
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One look through the object store: how many objects there are, how many were unknown, what became of them."""

    listed: int
    found: int
    ingested: int
    rejected: int


class Reconciler:
    """Compares the objects under `data/` with the frames, and ingests the difference.

    Images that sites show beside their frames are compared with the upload log: those that another one has replaced
    are known to nobody else. It remembers a version for `remembered_s`, which is how long one is looked for.
    """

    def __init__(
        self,
        *,
        objects: Objects,
        frames: Frames,
        uploads: Uploads,
        ingestion: Ingestion,
        meter: Meter,
        min_age_s: float,
        remembered_s: float,
        concurrency: int,
    ) -> None:
        self._objects = objects
        self._frames = frames
        self._uploads = uploads
        self._ingestion = ingestion
        self._meter = meter
        self._min_age = timedelta(seconds=min_age_s)
        self._remembered = timedelta(seconds=remembered_s)
        self._slots = asyncio.Semaphore(concurrency)
        #: Packed files wait for each other anyhow, and must not do so in the places of others.
        self._packed_slot = asyncio.Semaphore(1)

    async def reconcile(self) -> Reconciliation:
        """Look once. Raises `TransientError` when the store or the documents are away."""
        began = perf_counter()
        listed = 0
        outcomes: list[Outcome | None] = []
        for family in (DATA, INFO_IMAGES, ALLSKY):
            unknown = self._without_frame if family == DATA else self._without_entry
            async for count, page in self._pages(family):
                listed += count
                outcomes += await asyncio.gather(*map(self._settle, await unknown(page)))
        found = len(outcomes)
        self._meter.reconciled(listed=listed, found=found, seconds=perf_counter() - began)
        if found:
            _log.info("reconciler.found", listed=listed, found=found)
        return Reconciliation(
            listed=listed,
            found=found,
            ingested=outcomes.count(Outcome.INGESTED),
            rejected=outcomes.count(Outcome.REJECTED),
        )

    async def _pages(self, family: str) -> AsyncIterator[tuple[int, list[StoredVersion]]]:
        """Yield the objects of a family that are old enough, some at a time, and how many were listed for them."""
        newest = utc_now() - self._min_age
        listed = 0
        page: list[StoredVersion] = []
        async for stored in self._objects.list(family):
            listed += 1
            if stored.modified_at <= newest:
                page.append(stored)
            if len(page) == _PAGE:
                yield listed, page
                listed, page = 0, []
        yield listed, page

    async def _without_frame(self, page: Sequence[StoredVersion]) -> list[StoredVersion]:
        basenames = {name.basename for stored in page if (name := _name(stored.key)) is not None}
        known = await self._frames.files_of(basenames)
        unknown = [stored for stored in page if not _is_among(known, stored) and _concerns_us(stored.key)]
        refused = await self._uploads.refused([stored.key for stored in unknown])
        return [stored for stored in unknown if not _is_among(refused, stored)]

    async def _without_entry(self, page: Sequence[StoredVersion]) -> list[StoredVersion]:
        oldest = utc_now() - self._remembered
        recent = [stored for stored in page if stored.modified_at > oldest]
        logged = await self._uploads.logged([version_id(stored) for stored in recent])
        return [stored for stored in recent if version_id(stored) not in logged]

    async def _settle(self, stored: StoredVersion) -> Outcome | None:
        """Ingest what nobody announced; return what became of it, None if it has to wait for the next look."""
        arrival = Arrival(
            key=stored.key,
            origin=Origin.RECONCILER,
            correlation_id=derived_id("reconciled", version_id(stored)),
        )
        name = _name(stored.key)
        async with self._packed_slot if name is not None and name.is_packed else self._slots:
            with bind_correlation(correlation_id=arrival.correlation_id):
                try:
                    return await self._ingest_or_reject(arrival)
                except TransientError as error:
                    _log.warning("reconciler.postponed", key=stored.key, reason=error.message)
                    return None

    async def _ingest_or_reject(self, arrival: Arrival) -> Outcome:
        try:
            return await self._ingestion.ingest(arrival)
        except UsageError:
            return Outcome.REJECTED
        except TransientError:
            raise
        except Exception:  # noqa: BLE001 - our bug with this one file, which the others must not suffer from
            _log.exception("reconciler.file_failed", key=arrival.key)
            await self._ingestion.reject(arrival, UNKNOWN_ERROR_MESSAGE)
            return Outcome.REJECTED


def _name(key: str) -> FileName | None:
    """Return what the key says, None if it says nothing of a frame."""
    try:
        file_name = frame_file_name(key)
        return parse_file_name(file_name) if file_name else None
    except UsageError:
        return None


def _concerns_us(key: str) -> bool:
    """Tell whether to ingest what nobody announced, or to reject it: not if only an observatory can say whose it is."""
    try:
        file_name = frame_file_name(key)
        return file_name is not None and parse_file_name(file_name).site is not None
    except UsageError:
        return True


def _is_among(versions: Mapping[str, StoredVersion], stored: StoredVersion) -> bool:
    version = versions.get(stored.key)
    return version is not None and same_version(version, stored)
