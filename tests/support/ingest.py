"""The world of ingest in memory: objects, frames, upload log, bus; and one in which every second call fails."""

import hashlib
import inspect
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from datalab.documents.frame import Observation
from datalab.documents.info_image import place_of, places_of
from datalab.errors import TransientError
from datalab.events.frames import FileRejected, FrameIngested
from datalab.events.object_keys import ALLSKY, INFO_IMAGES
from datalab.platform.allowance import Allowance
from datalab.platform.documents.collection import LostRaceError
from ingest.allsky.service import AllskyImages
from ingest.arrivals.model import Arrival, Origin, ReadVersion
from ingest.arrivals.service import Ingestion
from ingest.frames.lifetimes import Lifetimes
from ingest.frames.model import FrameHeader, Inspection
from ingest.frames.recent import RecentFrames
from ingest.info_images.service import InfoImages

BEGINNING = datetime(2026, 5, 4, 22, 0, tzinfo=UTC)
BASE = "tst-cam01-20260504-00000042"
TEXT, FITS, JPEG = (f"data/{BASE}-EX{ending}" for ending in ("00.txt", "00.fits.fz", "10.jpg"))


@dataclass(frozen=True, kw_only=True)
class MemoryObject:
    key: str
    size_bytes: int
    etag: str
    modified_at: datetime
    sha256: str | None = None


class MemoryObjects:
    """Objects by key, and the local copies of them (which have a path, but no file)."""

    def __init__(self):
        self.contents = {}
        self.descriptions = {}
        self.fetched_keys = []

    def put(self, key, content, *, modified_at=BEGINNING, etag=None):
        digest = hashlib.md5(content).hexdigest() if etag is None else etag
        self.contents[key] = content
        self.descriptions[key] = MemoryObject(key=key, size_bytes=len(content), etag=digest, modified_at=modified_at)

    async def stat(self, key):
        return self.descriptions.get(key)

    async def look(self, key, *, most_bytes):
        stored = await self.stat(key)
        if stored is None or stored.size_bytes > most_bytes:
            return stored and (stored, None)
        self.fetched_keys.append(key)
        content = self.contents[key]
        return replace(stored, sha256=sha256_of(content)), content

    async def list(self, prefix):
        for key in sorted(self.descriptions):
            if key.startswith(prefix):
                yield self.descriptions[key]

    @asynccontextmanager
    async def fetched(self, stored):
        description = self.descriptions[stored.key]
        self.fetched_keys.append(stored.key)
        yield ReadVersion(
            content=Path(stored.key),
            key=stored.key,
            size_bytes=description.size_bytes,
            etag=description.etag,
            sha256=sha256_of(self.contents[stored.key]),
            modified_at=description.modified_at,
        )


class ContentInspector:
    """Takes the bytes of a file for the target's name; what is registered under them is raised instead."""

    def __init__(self, objects):
        self._objects = objects
        self.faults = {}

    async def inspect(self, file, name):
        content = file if isinstance(file, bytes) else self._objects.contents[str(file)]
        if content in self.faults:
            raise self.faults[content]
        if name.extension not in {"fits", "txt"}:
            return Inspection(media_type="image/jpeg")
        return Inspection(
            media_type="image/fits",
            header=FrameHeader(
                source="text" if name.extension == "txt" else "fits",
                cards={"OBJECT": content.decode()},
                observation=Observation(target_name=content.decode(), observation_date=BEGINNING),
            ),
        )


class MemoryFrames:
    """Frames by base name, with the events that were written with them."""

    def __init__(self):
        self.frames = {}
        self.headers = {}
        self.written = []
        self._number = 0

    @property
    def outbox(self):
        """What is told of frames: not what is asked of runners."""
        return [event for event in self.written if isinstance(event, FrameIngested)]

    async def find_any_frame(self, basename):
        return self.frames.get(basename)

    async def next_frame_id(self):
        self._number += 1
        return self._number

    async def save(self, frame, events, *, before=None, header=None):
        if header is not None:
            self.headers[header.header_id] = header
        present = self.frames.get(frame.basename)
        if (present.revision if present else None) != (before.revision if before else None):
            raise LostRaceError
        self.frames[frame.basename] = frame
        self.written += events

    async def due_previews(self, *, now, most):
        waiting = [frame for frame in self.frames.values() if frame.preview is not None and frame.preview.due]
        due = [frame for frame in waiting if frame.preview.due <= now]
        return sorted(due, key=lambda frame: frame.preview.due)[:most]

    async def note_preview(self, frame, state, events=()):
        present = self.frames[frame.basename]
        if present.revision != frame.revision:
            return False
        self.frames[frame.basename] = present.model_copy(update={"preview": state, "revision": frame.revision + 1})
        self.written += events
        return True

    async def files_of(self, basenames):
        return {
            file.key: file
            for basename in basenames
            if basename in self.frames
            for file in self.frames[basename].files.values()
        }


class MemoryUploads:
    def __init__(self):
        self.entries = {}
        self.refusals = {}

    async def record(self, upload):
        self.entries[upload.version_id] = upload

    async def logged(self, version_ids):
        return set(version_ids) & set(self.entries)

    async def refuse(self, stored, reason):
        self.refusals[stored.key] = (stored, reason)

    async def refused(self, keys):
        return {key: self.refusals[key][0] for key in keys if key in self.refusals}


class MemoryChannels:
    """What channels show, by place, with the events that were written with it; and the tickets of files."""

    def __init__(self):
        self.documents = {}
        self.outbox = []
        self.tickets = {}

    async def find(self, site, channel):
        return self.documents.get(place_of(site, channel))

    async def of_site(self, site):
        return [self.documents[place] for place in places_of(site) if place in self.documents]

    async def asked(self, key):
        return self.tickets.get(key)

    async def save(self, document, events):
        present = self.documents.get(document.place)
        if (present.revision if present else 0) != document.revision - 1:
            raise LostRaceError
        self.documents[document.place] = document
        self.outbox += events


class MemorySkies:
    """All-sky images by base name, with the events that were written with them."""

    def __init__(self):
        self.images = {}
        self.outbox = []

    async def find(self, basename):
        return self.images.get(basename)

    async def save(self, image, events):
        present = self.images.get(image.basename)
        if (present.revision if present else 0) != image.revision - 1:
            raise LostRaceError
        self.images[image.basename] = image
        self.outbox += events


class MemoryPublisher:
    """Keeps events by id, as the server does."""

    def __init__(self):
        self.events = {}

    async def publish(self, event):
        self.events[event.event_id] = event


class MemoryMeter:
    def __init__(self):
        self.outcomes = Counter()
        self.looks = []

    def settled(self, origin, outcome, seconds):
        self.outcomes[(origin, outcome)] += 1

    def reconciled(self, *, listed, found, seconds):
        self.looks.append((listed, found))


class Flaky:
    """Something of which every second asynchronous call fails, on average; at once, or after it has taken effect.

    By chance, as a strict alternation can meet the same step of every attempt.
    """

    def __init__(self, wrapped, *, after_effect):
        self._wrapped = wrapped
        self._after_effect = after_effect
        self._chance = random.Random(type(wrapped).__name__)

    def __getattr__(self, name):
        attribute = getattr(self._wrapped, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute

        async def call(*args, **kwargs):
            fails = self._chance.random() < 0.5
            if fails and not self._after_effect:
                raise TransientError(f"{name} fails")
            result = await attribute(*args, **kwargs)
            if fails:
                raise TransientError(f"{name} fails, although it is done")
            return result

        return call


class World:
    """Everything ingest works with, in memory."""

    def __init__(self, *, through=lambda port: port, open_sites=()):
        self.objects = MemoryObjects()
        self.inspector = ContentInspector(self.objects)
        self.frames = MemoryFrames()
        self.uploads = MemoryUploads()
        self.channels = MemoryChannels()
        self.skies = MemorySkies()
        self.publisher = MemoryPublisher()
        self.meter = MemoryMeter()
        self.recent = RecentFrames()
        self.ingestion = Ingestion(
            objects=through(self.objects),
            scratch=self.objects,
            inspector=through(self.inspector),
            frames=through(self.frames),
            uploads=through(self.uploads),
            publisher=through(self.publisher),
            meter=self.meter,
            allowance=Allowance(per_s=0.05, burst_s=60),
            site_images={
                INFO_IMAGES: InfoImages(images=through(self.channels), keep=timedelta(days=2)),
                ALLSKY: AllskyImages(images=through(self.skies), keep=timedelta(days=20_000)),
            },
            lifetimes=Lifetimes(by_type={"EP": 604_800, "EF": 86_400}, by_site={"tst": 300}),
            recent=self.recent,
            open_sites=open_sites,
        )

    @property
    def rejections(self):
        return [(event.key, event.reason) for event in self.published(FileRejected)]

    def published(self, kind):
        """Return the events of a type that were published beside those of frames."""
        return [event for event in self.publisher.events.values() if isinstance(event, kind)]


def announced(key, *, site="tst", **said):
    """Return an arrival an observatory announces."""
    return Arrival(key=key, origin=Origin.OBSERVATORY, correlation_id=f"said-{key}", site=site, **said)


def notified(key):
    """Return an arrival the object store announces."""
    return Arrival(key=key, origin=Origin.OBJECT_STORE, correlation_id=f"noticed-{key}")


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


def later(seconds):
    return BEGINNING + timedelta(seconds=seconds)
