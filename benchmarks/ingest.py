"""How fast exposures become visible, and how many are taken in.

An exposure is what an observatory of Photon Ranch sends: header text and JPEG (900 px, as from a camera of 1024 x 1024
pixels); its thumbnail is made by the runner. First one exposure after the other on an idle system: from both files
being stored, before they are announced, to the feed having told of both and REST showing the image; then to the
thumbnail. Then as many as there are, sent and announced by a process of their own, until every thumbnail is visible on
the feed. Everything is on this machine, also who sends and who listens.

Compared, on the same servers, with the plainest program: one file after the other fetched, header read by astropy,
thumbnail made by Pillow and stored, document inserted, no events, nothing checked.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path

from astropy.io import fits
from minio import Minio
from PIL import Image
from pymongo import MongoClient

from datalab.client.rest import Datalab
from datalab.events.feed import FrameChanged
from datalab.events.frames import FileStored
from datalab.local.system import System, running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.driver import s3_client
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import NatsSettings, S3Settings
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import header_text, jpeg_bytes
from support import cpu_seconds, report

SITE = "sim"
PROBES = int(os.environ.get("PROBES", "60"))
EXPOSURES = int(os.environ.get("EXPOSURES", "800"))
PLAIN = 100
#: Different exposures; the others have their pixels.
_DIFFERENT = 6
#: Exposures under way at once, as of several telescopes.
_SIDE_BY_SIDE = 8
_WARMING = 20
_SENT = frozenset({"txt_00", "jpg_10"})
_ALL = _SENT | {"jpg_11"}

#: Header text and JPEG.
Files = tuple[bytes, bytes]


def base_name(series: str, number: int) -> str:
    return f"{SITE}-{series}-20260314-{number:08d}"


def made_exposures() -> list[Files]:
    """Return the files of some exposures."""
    observatory = SimulatedObservatory(camera=Camera(rows=1024, columns=1024))
    return [
        (header_text(exposure), jpeg_bytes(exposure))
        for exposure in observatory.exposures(NightPlan(n_exposures=_DIFFERENT))
    ]


class Sender:
    """Stores and announces the files of exposures."""

    def __init__(self, exposures: Sequence[Files], *, store: ObjectStore, bus: Bus) -> None:
        self._exposures = exposures
        self._store = store
        self._bus = bus

    def files(self, base: str, number: int) -> dict[str, bytes]:
        text, jpeg = self._exposures[number % len(self._exposures)]
        # What follows its end is no part of a JPEG, and makes each a file of its own.
        return {f"data/{base}-EX00.txt": text, f"data/{base}-EX10.jpg": jpeg + f"{number:08d}".encode()}

    async def store(self, files: dict[str, bytes]) -> None:
        await asyncio.gather(
            *(
                self._store.put_bytes(key, content, content_type="application/octet-stream")
                for key, content in files.items()
            )
        )

    async def announce(self, files: dict[str, bytes]) -> None:
        events = [FileStored(site=SITE, key=key, size_bytes=len(content)) for key, content in files.items()]
        await asyncio.gather(*map(self._bus.publish, events))


class Ear:
    """Hears on the feed which files each frame has, and when."""

    def __init__(self) -> None:
        self._roles: dict[str, set[str]] = {}
        self._complete = 0
        self._changed = asyncio.Condition()

    async def listen(self, datalab: Datalab, ready: asyncio.Event) -> None:
        async with datalab.feed() as feed:
            await feed.subscribe(sites=[SITE])
            ready.set()
            async for heard in feed:
                if isinstance(heard.event, FrameChanged):
                    async with self._changed:
                        roles = self._roles.setdefault(heard.event.basename, set())
                        was_complete = roles >= _ALL
                        roles.update(heard.event.roles)
                        self._complete += not was_complete and roles >= _ALL
                        self._changed.notify_all()

    async def has(self, base: str, roles: frozenset[str]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._roles.get(base, set()) >= roles)

    async def complete(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._complete >= count)


async def probe(sender: Sender, ear: Ear, datalab: Datalab, number: int) -> tuple[float, float]:
    """Send one exposure; return the milliseconds until it and until its thumbnail is visible."""
    base = base_name("probe", number)
    files = sender.files(base, number)
    await sender.store(files)
    began = time.perf_counter()
    await sender.announce(files)
    await ear.has(base, _SENT)
    image = (await datalab.http.get(f"/image/{base}")).raise_for_status().json()
    visible_s = time.perf_counter() - began
    if not image["jpg_url"]:
        raise RuntimeError(f"{base} has no picture")
    await ear.has(base, _ALL)
    return 1000 * visible_s, 1000 * (time.perf_counter() - began)


def send_all(nats: NatsSettings, s3: S3Settings, exposures: Sequence[Files], loaded: Event, go: Event) -> None:
    """Be the process that sends: some exposures at a time, as fast as they are taken."""

    async def main() -> None:
        bus = Bus(settings=nats, service="observatory", metrics=BusMetrics(create_registry()))
        await bus.connect()
        async with ObjectStore(s3) as store:
            sender = Sender(exposures, store=store, bus=bus)
            numbers = iter(range(EXPOSURES))
            loaded.set()
            await asyncio.to_thread(go.wait)

            async def send() -> None:
                for number in numbers:
                    files = sender.files(base_name("load", number), number)
                    await sender.store(files)
                    await sender.announce(files)

            await asyncio.gather(*(send() for _ in range(_SIDE_BY_SIDE)))
        await bus.close()

    asyncio.run(main())


def plain_rate(system: System, exposures: Sequence[Files]) -> float:
    """Return how many exposures a second the plain program takes in, which are stored before."""
    settings = system.s3_settings
    store: Minio = s3_client(settings, settings.s3_url)
    bucket = settings.s3_bucket
    for number in range(PLAIN):
        text, jpeg = exposures[number % len(exposures)]
        store.put_object(bucket, f"test/{number}.txt", io.BytesIO(text), len(text))
        store.put_object(bucket, f"test/{number}.jpg", io.BytesIO(jpeg), len(jpeg))
    with MongoClient(system.mongo_settings.mongo_url.get_secret_value()) as client:
        frames = client["plain"]["frames"]
        began = time.perf_counter()
        for number in range(PLAIN):
            text = store.get_object(bucket, f"test/{number}.txt").read()
            header = fits.Header.fromstring(text.decode("ascii"))
            jpeg = store.get_object(bucket, f"test/{number}.jpg").read()
            picture = Image.open(io.BytesIO(jpeg))
            picture.thumbnail((picture.width, 128))
            encoded = io.BytesIO()
            picture.save(encoded, "JPEG")
            store.put_object(bucket, f"test/{number}-11.jpg", io.BytesIO(encoded.getvalue()), encoded.tell())
            frames.insert_one(
                {"_id": number, "header": {name: header[name] for name in header if name}, "jpg": True, "small": True}
            )
        return PLAIN / (time.perf_counter() - began)


async def measure(system: System) -> None:
    exposures = made_exposures()
    bus = Bus(settings=system.nats_settings, service="observatory", metrics=BusMetrics(create_registry()))
    await bus.connect()
    async with ObjectStore(system.s3_settings) as store, Datalab(system.api_url, system.admin_token) as datalab:
        sender, ear, ready = Sender(exposures, store=store, bus=bus), Ear(), asyncio.Event()
        listening = asyncio.create_task(ear.listen(datalab, ready))
        await ready.wait()
        for number in range(_WARMING):
            await probe(sender, ear, datalab, number)
        os.sync()
        probes = [await probe(sender, ear, datalab, _WARMING + number) for number in range(PROBES)]

        ours = set(cpu_seconds())
        context = multiprocessing.get_context("spawn")
        loaded, go = context.Event(), context.Event()
        sending = context.Process(
            target=send_all, args=(system.nats_settings, system.s3_settings, exposures, loaded, go)
        )
        sending.start()
        await asyncio.to_thread(loaded.wait)
        before = cpu_seconds()
        began = time.perf_counter()
        go.set()
        await ear.complete(_WARMING + PROBES + EXPOSURES)
        seconds = time.perf_counter() - began
        await asyncio.to_thread(sending.join)
        after = cpu_seconds()
        listening.cancel()
        await asyncio.wait([listening])
    await bus.close()
    plain = await asyncio.to_thread(plain_rate, system, exposures)

    visible_ms = [visible for visible, _ in probes]
    rate = EXPOSURES / seconds
    used_ms = {name: 1000 * (after[name] - before[name]) / EXPOSURES for name in ours}
    report(
        "ingest",
        {
            "visible_p50_ms": round(statistics.median(visible_ms), 1),
            "visible_p90_ms": round(statistics.quantiles(visible_ms, n=10)[-1], 1),
            "thumbnail_p50_ms": round(statistics.median(thumbnail for _, thumbnail in probes), 1),
            "exposures_per_s": round(rate, 1),
            "exposures": EXPOSURES,
            "plain_exposures_per_s": round(plain, 1),
            **{f"{name}_cpu_ms": round(used, 1) for name, used in sorted(used_ms.items())},
            "cpu_ms": round(sum(used_ms.values()), 1),
        },
    )


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root:
        environ = {**os.environ, "DATALAB_LOG_LEVEL": "WARNING"}
        async with running_system(Path(root), runners=1, environ=environ) as system:
            await measure(system)


if __name__ == "__main__":
    asyncio.run(main())
