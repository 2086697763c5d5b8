"""The ingest service on real servers, and what the world around it does and sees."""

import contextlib
import json
from dataclasses import replace
from itertools import count
from urllib.parse import quote_plus

from datalab.events.frames import FileStored
from datalab.events.topology import DEAD, FRAMES, stream_for
from datalab.platform import assembly
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.core import DocumentCore
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from ingest.arrivals.assembly import build
from ingest.frames.recent import RecentFrames
from ingest.main import create_app
from ingest.settings import IngestSettings
from support.waiting import until

_counter = count(1)


def settings_for_tests(scratch_dir, **changes):
    """Return settings from the environment; the reconciler waits to be called."""
    return IngestSettings(
        scratch_dir=scratch_dir, **{"reconcile_first_delay_s": 3600, "reconcile_min_age_s": 0} | changes
    )


def base_name(site="tst"):
    """Return the base name of an exposure nobody has used."""
    return f"{site}-cam01-20260504-{next(_counter):08d}"


@contextlib.asynccontextmanager
async def running(settings):
    """Run the service as uvicorn would."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@contextlib.asynccontextmanager
async def arrivals(settings):
    """Run the parts of the service, which hears nothing: tests tell it what to do."""
    core = DocumentCore(settings, service="ingest")
    here = build(core, settings, recent=RecentFrames())
    async with assembly.running(core, [replace(here.capability, subscriptions=())]):
        yield here


@contextlib.asynccontextmanager
async def surroundings(settings):
    """Yield an `Observatory` with an empty bucket and the streams in place."""
    bus = Bus(settings=settings, service="observatory", metrics=BusMetrics(create_registry()))
    documents = DocumentStore(settings)
    await bus.connect()
    await apply_topology(bus.jetstream)
    try:
        async with ObjectStore(settings) as objects:
            await objects.ensure_bucket()
            yield Observatory(bus=bus, objects=objects, database=documents.database, bucket=settings.s3_bucket)
    finally:
        await bus.close()
        await documents.close()


class Observatory:
    """Uploads files, announces them, and looks at what becomes of them."""

    def __init__(self, *, bus, objects, database, bucket):
        self.bus = bus
        self.objects = objects
        self.database = database
        self._bucket = bucket

    async def put(self, name, content, *, folder="data"):
        """Store a file; return its key."""
        key = f"{folder}/{name}"
        await self.objects.put_bytes(key, content, content_type="application/octet-stream")
        return key

    async def announce(self, key, *, site="tst", **said):
        await self.bus.publish(FileStored(site=site, key=key, **said))

    async def send(self, message, *, subject="observatory.tst.image.new"):
        """Publish any bytes, or JSON."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self.bus.publish_encoded(subject=subject, body=body, event_id=f"sent-{next(_counter)}")

    async def notify(self, *keys, event="s3:ObjectCreated:Put"):
        """Tell of objects as MinIO does."""
        records = [
            {
                "eventName": event,
                "eventTime": "2026-05-04T22:00:01.417Z",
                "s3": {
                    "bucket": {"name": self._bucket},
                    "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "e", "sequencer": "17C1"},
                },
            }
            for key in keys
        ]
        message = {"EventName": event, "Key": f"{self._bucket}/{keys[0]}", "Records": records}
        await self.send(message, subject="datalab.bucket.notification")

    async def upload(self, name, content, **said):
        """Store and announce a file; return its key."""
        key = await self.put(name, content)
        await self.announce(key, **said)
        return key

    async def frame(self, basename, *, files):
        """Return a frame's document once it has that many files."""

        async def complete():
            document = await self.database["frames"].find_one({"_id": basename})
            return document if document and len(document["files"]) >= files else None

        return await until(complete)

    async def header(self, frame):
        """Return the header a frame names."""
        return (await self.database["frame_headers"].find_one({"_id": frame["header_id"]}))["cards"]

    async def told(self, key, kind, *, times=1):
        """Return the events of a type (`FrameIngested`, `FileRejected`) about a file once there are that many."""

        async def heard():
            events = [event for event in await self.all_told(kind) if event.key == key]
            return events if len(events) >= times else None

        return await until(heard)

    async def all_told(self, kind):
        messages = self.bus.replay(FRAMES, after=0, filter_subjects=FRAMES.subjects)
        return [kind.decode(message.body) async for message in messages if f".{kind.type_name()}." in message.subject]

    async def dead_letter(self, text):
        """Return reason and subject of the dead letter whose body has `text`, once there is one."""

        async def found():
            for sequence in range(1, (await self.bus.stream_position(DEAD)).last + 1):
                letter = await self.bus.jetstream.get_msg(DEAD.name, sequence, direct=True)
                if text.encode() in letter.data:
                    return letter.headers["Datalab-Reason"], letter.headers["Datalab-Subject"]
            return None

        return await until(found)

    async def all_settled(self, consumer):
        """Wait until a consumer has nothing in hand and nothing before it."""

        async def settled():
            info = await self.bus.jetstream.consumer_info(consumer.stream, consumer.name)
            return info.num_pending == 0 and info.num_ack_pending == 0

        assert stream_for(consumer.filter_subjects[0]).name == consumer.stream
        await until(settled)
