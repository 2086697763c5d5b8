"""From a file somebody says is there to a frame everybody knows of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from time import monotonic, perf_counter

from datalab.documents.file_names import Content, FileName, frame_file_name, parse_file_name
from datalab.documents.frame import UPLOADS_SITE, FrameDocument, FrameFile
from datalab.documents.upload import Outcome, Upload
from datalab.errors import AwaitedError, OutageError, PostponedError, TransientError, UsageError
from datalab.events.envelope import derived_id, utc_now
from datalab.events.frames import FileRejected, FileUnchanged
from datalab.events.object_keys import split_key
from datalab.platform.logging import get_logger
from ingest import SERVICE
from ingest.arrivals.model import UNKNOWN_SITE, AnnouncementError, Arrival, Origin, ReadVersion, named, site_of
from ingest.arrivals.packed_lane import PackedLane
from ingest.arrivals.ports import (
    Allowance,
    Frames,
    Inspector,
    Meter,
    Objects,
    Publisher,
    Scratch,
    SiteImages,
    Uploads,
)
from ingest.arrivals.writer import FrameWriter, usable
from ingest.frames.additions import Addition
from ingest.frames.lifetimes import Lifetimes
from ingest.frames.model import Inspection, private_inspection, recorded_inspection
from ingest.frames.recent import RecentFrames
from ingest.info_images.service import NoChannelError
from ingest.uploads.model import Settlement, StoredVersion, is_known, same_version, version_id

_log = get_logger(__name__)

#: Among the open sites it means all of them; no site can have this name.
EVERY_SITE = "*"
#: What decides about a message of several files, the first of these that happened to one of them.
_BY_WEIGHT = (OutageError, PostponedError, TransientError, AwaitedError, UsageError)
#: Whose word somebody may wait to be answered.
_WAITED_FOR = frozenset({Origin.OBSERVATORY, Origin.UPLOAD})
#: Outcomes that no other event tells of, and what an observatory reads.
_NOTHING_NEW = {
    Outcome.UNCHANGED: "its frame has this file already",
    Outcome.IGNORED: "a file of this name or folder belongs to no frame",
}
#: Header texts have some 10 kB, JPEGs some 100 kB: they are read into memory, by the request that asks for them.
_SMALL_BYTES = 1024**2
#: The store tells of a file at once; the site may say a little later on which channel it is to be shown.
_CHANNEL_PATIENCE = timedelta(seconds=180)


class Ingestion:
    """Makes files part of their frames. Everything may be repeated, in any order and at the same time."""

    def __init__(
        self,
        *,
        objects: Objects,
        scratch: Scratch,
        inspector: Inspector,
        frames: Frames,
        uploads: Uploads,
        publisher: Publisher,
        meter: Meter,
        allowance: Allowance,
        site_images: Mapping[str, SiteImages],
        lifetimes: Lifetimes,
        recent: RecentFrames,
        open_sites: Collection[str] = (),
        picture_patience: timedelta = timedelta(0),
    ) -> None:
        """`allowance` is how many wrong announcements of each site are told, which cost it nothing to make.

        `site_images` are those that are no frames, by the family of their keys; `picture_patience` is that of
        `FrameWriter`.
        """
        self._objects = objects
        self._scratch = scratch
        self._inspector = inspector
        self._frames = frames
        self._uploads = uploads
        self._publisher = publisher
        self._meter = meter
        self._allowance = allowance
        self._site_images = site_images
        self._lifetimes = lifetimes
        self._packed_lane = PackedLane()
        self._recent = recent
        self._open_sites = open_sites
        self._writer = FrameWriter(objects=objects, frames=frames, recent=recent, picture_patience=picture_patience)

    async def ingest_all(self, arrivals: Sequence[Arrival]) -> None:
        """Ingest every file of a message, whatever happens to the others.

        Raises a `TransientError` if one of them has to be tried again, of the kind that counts least, else `UsageError`
        if one was rejected.
        """
        failures: list[UsageError | TransientError] = []
        for arrival in arrivals:
            try:
                await self.ingest(arrival)
            except (UsageError, TransientError) as error:
                failures.append(error)
        for kind in _BY_WEIGHT:
            if messages := [failure.message for failure in failures if _kind_of(failure) is kind]:
                raise kind("; ".join(messages))

    async def ingest(self, arrival: Arrival) -> Outcome:
        """Make a file part of its frame. Raises `UsageError` once it has told everyone that it cannot be."""
        began = perf_counter()
        try:
            settlement = await self._ingest(arrival)
        except AnnouncementError as error:
            await self._tell_sender(arrival, error.message)
            self._meter.settled(arrival.origin, Outcome.REJECTED, perf_counter() - began)
            raise
        except UsageError as error:
            await self.reject(arrival, error.message)
            self._meter.settled(arrival.origin, Outcome.REJECTED, perf_counter() - began)
            raise
        outcome = settlement.outcome
        if arrival.origin in _WAITED_FOR and outcome in _NOTHING_NEW:
            await self._tell_unchanged(arrival, settlement.reason or _NOTHING_NEW[outcome])
        elapsed_s = perf_counter() - began
        self._meter.settled(arrival.origin, outcome, elapsed_s)
        if outcome is Outcome.INGESTED:
            _log.info(
                "ingest.taken_in", key=arrival.key, origin=str(arrival.origin), elapsed_ms=round(1000 * elapsed_s, 1)
            )
        return outcome

    async def frame_id_of(self, basename: str) -> int | None:
        """Return the number of a frame, None if there is none of this name."""
        frame = await self._frames.find_any_frame(basename)
        return None if frame is None else frame.frame_id

    async def _tell_unchanged(self, arrival: Arrival, reason: str) -> None:
        """Tell whoever announced a file that nothing will be heard of it."""
        await self._publisher.publish(
            FileUnchanged(
                event_id=derived_id("file.unchanged", arrival.key, arrival.correlation_id),
                correlation_id=arrival.correlation_id,
                producer=SERVICE,
                site=_site_for_rejection(arrival),
                key=arrival.key,
                reason=reason,
            )
        )

    async def reject(self, arrival: Arrival, reason: str) -> None:
        """Tell everyone that a file cannot be part of a frame, and remember it. Raises `TransientError`."""
        await self._publish_rejection(arrival, reason)
        with suppress(UsageError):  # a key that no store accepts is no object, and needs no remembering
            stored = await self._objects.stat(arrival.key)
            if stored is not None:
                await self._refuse(stored, _site_for_rejection(arrival), reason)

    async def give_up(self, arrivals: Sequence[Arrival], reason: str, *, refused: bool = False) -> None:
        """Reject those files of a message that never became part of a frame, however often it was tried.

        `refused` says that the announcement is to blame.

        They are not remembered as useless: what the announcement could not bring about, the reconciler still may.
        """
        for arrival in arrivals:
            if not await self._is_settled(arrival):
                await (self._tell_sender if refused else self._publish_rejection)(arrival, reason)
                self._meter.settled(arrival.origin, Outcome.REJECTED, 0.0)

    async def _tell_sender(self, arrival: Arrival, reason: str) -> None:
        """Reject a file for what was said about it, if the site has not had its share of that."""
        site = _site_for_rejection(arrival)
        if arrival.origin is not Origin.OBSERVATORY or self._allowance.take(site):
            await self._publish_rejection(arrival, reason)
        else:
            _log.warning("ingest.rejected_untold", key=arrival.key, site=site, reason=reason)

    async def _publish_rejection(self, arrival: Arrival, reason: str) -> None:
        site = _site_for_rejection(arrival)
        _log.warning("ingest.rejected", key=arrival.key, site=site, origin=str(arrival.origin), reason=reason)
        await self._publisher.publish(
            FileRejected(
                event_id=derived_id("file.rejected", site, arrival.key, arrival.correlation_id, reason),
                correlation_id=arrival.correlation_id,
                producer=SERVICE,
                site=site,
                key=arrival.key,
                reason=reason,
            )
        )

    async def _refuse(self, stored: StoredVersion, site: str, reason: str) -> None:
        await self._uploads.refuse(stored, reason)
        await self._uploads.record(_upload(stored, site, Outcome.REJECTED, reason))

    async def _ingest(self, arrival: Arrival) -> Settlement:
        images = self._images_of(arrival)
        if images is not None:
            return await self._ingest_site_image(arrival, images)
        name = named(arrival)
        if name is None:
            _log.debug("ingest.not_a_frame", key=arrival.key)
            return await self._ignored(arrival)
        site = site_of(name, arrival)
        if site is None:
            _log.info("ingest.awaits_announcement", key=arrival.key)
            return Settlement(Outcome.IGNORED)
        asked_at = monotonic()
        frame = self._remembered(name, site) or await self._find_frame(name.basename, site)
        present = frame.files.get(name.role) if frame else None
        stored = await self._stored(arrival, site) if present else None
        if stored is not None and is_known(present, arrival.said, stored):
            outcome = Outcome.UNCHANGED
        else:
            outcome, stored = await self._add(arrival, name, site, stored, frame, asked_at=asked_at)
        await self._uploads.record(_upload(stored, site, Outcome.INGESTED))
        return Settlement(outcome)

    async def _ingest_site_image(self, arrival: Arrival, images: SiteImages) -> Settlement:
        name, site = _named_image(arrival, images)
        stored = await self._stored(arrival, site)
        try:
            settlement = await images.settled(arrival.said, name=name, site=site, stored=stored)
            if settlement is None:
                read, inspection = await self._read(arrival, name, site, stored)
                settlement = await images.add(
                    arrival.said, name=name, site=site, file=_file(read, inspection), header=inspection.header
                )
        except NoChannelError as error:
            young = stored.modified_at > utc_now() - _CHANNEL_PATIENCE
            if young and arrival.origin in {Origin.OBJECT_STORE, Origin.RECONCILER}:
                raise AwaitedError(error.message) from error
            raise
        if settlement.outcome is Outcome.IGNORED:
            await self._uploads.record(_upload(stored, site, Outcome.IGNORED, settlement.reason))
        else:
            await self._uploads.record(_upload(stored, site, Outcome.INGESTED))
        return settlement

    async def _ignored(self, arrival: Arrival) -> Settlement:
        """Note a file that is no data, such as the sign of a night's end, for whoever asks what became of it."""
        with suppress(UsageError):
            stored = await self._objects.stat(arrival.key)
            if stored is not None:
                await self._uploads.record(
                    _upload(stored, _site_for_rejection(arrival), Outcome.IGNORED, _NOTHING_NEW[Outcome.IGNORED])
                )
        return Settlement(Outcome.IGNORED)

    def _images_of(self, arrival: Arrival) -> SiteImages | None:
        family, _ = split_key(arrival.key)
        return None if arrival.owner is not None or family is None else self._site_images.get(family)

    async def _stored(self, arrival: Arrival, site: str) -> StoredVersion:
        return await self._checked(await self._objects.stat(arrival.key), arrival, site)

    async def _looked_at(self, arrival: Arrival, site: str) -> tuple[StoredVersion, ReadVersion | None]:
        """Return what is stored, and all of it if it is small: it is one request."""
        found, content = await self._objects.look(arrival.key, most_bytes=_SMALL_BYTES) or (None, None)
        stored = await self._checked(found, arrival, site)
        if found is None or found.sha256 is None or content is None:
            return stored, None
        return stored, ReadVersion(
            content=content,
            key=found.key,
            size_bytes=found.size_bytes,
            etag=found.etag,
            sha256=found.sha256,
            modified_at=found.modified_at,
        )

    async def _checked(self, stored: StoredVersion | None, arrival: Arrival, site: str) -> StoredVersion:
        """Return what is stored if it is what was announced. Raises `AwaitedError`, `UsageError`."""
        if stored is None:
            raise AwaitedError(f"there is no object {arrival.key!r}")
        if arrival.size_bytes not in {None, stored.size_bytes}:
            raise await self._mismatch(stored, site, f"{stored.size_bytes} bytes, announced were {arrival.size_bytes}")
        if stored.size_bytes == 0:
            raise UsageError(f"object {arrival.key!r} is empty")
        return stored

    async def _mismatch(self, stored: StoredVersion, site: str, difference: str) -> AwaitedError:
        """Return the error for a file unlike the announced one: perhaps the announced one is still being uploaded.

        What is there now is refused, or the reconciler would take it for what nobody announced; but not what was taken
        in before.
        """
        reason = f"object {stored.key!r} has {difference}"
        if not await self._is_taken_in(stored):
            await self._refuse(stored, site, reason)
        return AwaitedError(reason)

    async def _is_taken_in(self, stored: StoredVersion) -> bool:
        version = version_id(stored)
        if version in await self._uploads.logged([version]):
            return True
        with suppress(UsageError):
            name = frame_file_name(stored.key)
            files = await self._frames.files_of([parse_file_name(name).basename]) if name else {}
            return stored.key in files and same_version(files[stored.key], stored)
        return False

    async def _add(
        self,
        arrival: Arrival,
        name: FileName,
        site: str,
        stored: StoredVersion | None,
        frame: FrameDocument | None,
        *,
        asked_at: float,
    ) -> tuple[Outcome, StoredVersion]:
        """Make a file part of its frame, as both were a moment ago; return what became of it, and what was read."""
        async with AsyncExitStack() as stack:
            if name.content is not Content.FITS:
                await stack.enter_async_context(self._recent.reading(name.basename))
            read, inspection = await self._read(arrival, name, site, stored)
        said = arrival.recorded
        if arrival.owner is not None:
            inspection = private_inspection(inspection, owner=arrival.owner)
        if said is not None and said.record is not None:
            inspection = recorded_inspection(inspection, said.record)
        addition = Addition(
            name=name,
            site=site,
            file=_file(read, inspection, md5=said.md5 if said else None),
            header=inspection.header,
            correlation_id=arrival.correlation_id,
            seen=frame,
            asked_at=asked_at,
            open_site=arrival.owner is None and self._is_open(site),
            makes_frame=said is None or said.record is not None,
            life=None if arrival.owner else self._lifetimes.of(site, name.data_type),
        )
        return await self._writer.add(addition), read

    async def _read(
        self, arrival: Arrival, name: FileName, site: str, stored: StoredVersion | None
    ) -> tuple[ReadVersion, Inspection]:
        """Return a file's description, of which a local copy has gone, and what is inside."""
        read: ReadVersion | None = None
        if name.content is not Content.FITS:
            stored, read = await self._looked_at(arrival, site)
        elif stored is None:
            stored = await self._stored(arrival, site)
        async with AsyncExitStack() as stack:
            if name.is_packed:
                # Whoever looks by itself waits in nobody's way, and would not look again for minutes.
                patient = arrival.origin is Origin.RECONCILER
                await stack.enter_async_context(self._packed_lane.taken(patient=patient))
            if read is None:
                read = await stack.enter_async_context(self._scratch.fetched(stored))
            if arrival.sha256 not in {None, read.sha256}:
                raise await self._mismatch(stored, site, f"SHA-256 {read.sha256}, announced was {arrival.sha256}")
            return read, await self._inspector.inspect(read.content, name)

    def _is_open(self, site: str) -> bool:
        return site in self._open_sites or EVERY_SITE in self._open_sites

    def _remembered(self, name: FileName, site: str) -> FrameDocument | None:
        """Return the frame as it was written here, if all that may follow from it is a write, which fails if it is old.

        That a file is known, or another site's, only a frame can tell that was read.
        """
        frame = self._recent.remembered(name.basename)
        usable = frame is not None and frame.site == site and name.role not in frame.files
        return frame if usable else None

    async def _find_frame(self, basename: str, site: str) -> FrameDocument | None:
        return usable(await self._frames.find_any_frame(basename), site)

    async def _is_settled(self, arrival: Arrival) -> bool:
        """Tell whether the file is part of its frame, was rejected for what its name says, or is no frame's file."""
        images = self._images_of(arrival)
        try:
            if images is not None:
                return await self._is_of_its_image(arrival, images)
            return await self._is_of_its_frame(arrival)
        except NoChannelError:
            return False
        except UsageError:
            return True
        except TransientError:
            return False

    async def _is_of_its_frame(self, arrival: Arrival) -> bool:
        name = named(arrival)
        site = site_of(name, arrival) if name else None
        if name is None or site is None:
            return True
        stored = await self._objects.stat(arrival.key)
        frame = await self._find_frame(name.basename, site)
        if stored is None or frame is None or arrival.size_bytes not in {None, stored.size_bytes}:
            return False
        return is_known(frame.files.get(name.role), arrival.said, stored)

    async def _is_of_its_image(self, arrival: Arrival, images: SiteImages) -> bool:
        name, site = _named_image(arrival, images)
        stored = await self._objects.stat(arrival.key)
        if stored is None:
            return False
        return await images.settled(arrival.said, name=name, site=site, stored=stored) is not None


def _named_image(arrival: Arrival, images: SiteImages) -> tuple[FileName, str]:
    """Return what the name of a site's image says, and the site. Raises `UsageError`."""
    name = images.name_of(split_key(arrival.key)[1])
    site = site_of(name, arrival)
    if site is None:
        raise AnnouncementError(f"the name of {arrival.key!r} says no site")
    return name, site


def _file(read: ReadVersion, inspection: Inspection, *, md5: str | None = None) -> FrameFile:
    return FrameFile(
        key=read.key,
        size_bytes=read.size_bytes,
        sha256=read.sha256,
        md5=md5,
        etag=read.etag,
        media_type=inspection.media_type,
        stored_at=read.modified_at,
    )


def _kind_of(failure: UsageError | TransientError) -> type[UsageError | TransientError]:
    for kind in (OutageError, PostponedError, AwaitedError, TransientError):
        if isinstance(failure, kind):
            return kind
    return UsageError


def _upload(stored: StoredVersion, site: str, outcome: Outcome, reason: str | None = None) -> Upload:
    return Upload(
        version_id=version_id(stored),
        site=site,
        key=stored.key,
        size_bytes=stored.size_bytes,
        uploaded_at=stored.modified_at,
        outcome=outcome,
        reason=reason,
    )


def _site_for_rejection(arrival: Arrival) -> str:
    if arrival.site is not None:
        return arrival.site
    if arrival.owner is not None:
        return UPLOADS_SITE
    try:
        name = named(arrival)
    except UsageError:
        name = None
    return (name.site if name else None) or arrival.apparent_site or UNKNOWN_SITE
