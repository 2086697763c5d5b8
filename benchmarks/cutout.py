"""A cutout of 256 x 256 pixels from a frame of 4096 x 4096 (`.fz`), through HTTP.

Ours: from sending the request to having the whole FITS file, over REST, bus, runner and object store, each time of
another place in one of several frames; warm means that the processes run and know the headers. The bytes read are those
the runner asks the object store for, for a frame it has not seen before.
Plain: astropy opens the whole file, which is on its disk, decodes it and cuts the part out. Measured without starting
Python and importing.
"""

from __future__ import annotations

import asyncio
import io
import random
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
from astropy.io import fits

from datalab.client.feed import FeedClient
from datalab.events.frames import FileStored
from datalab.events.object_keys import data_key
from datalab.fits.parts import PartialImage
from datalab.local.system import System, running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support import FITS_TYPE, report, run_plain, write_frames

SIDE = 4096
PART = 256
FRAMES = 4
REPETITIONS = 60
SITE = "sim"

PLAIN = """
import statistics, sys, time
from astropy.io import fits

def cut(path):
    with fits.open(path) as hdus:
        return hdus["SCI"].data[1000:1256, 1000:1256].copy()

seconds = []
for _ in range(4):
    began = time.perf_counter()
    cut(sys.argv[1])
    seconds.append(time.perf_counter() - began)
print(statistics.median(seconds[1:]))
"""


class CountedFile:
    """A file of which every byte read is counted."""

    def __init__(self, path: Path) -> None:
        self.size_bytes = path.stat().st_size
        self.read_bytes = self.readings = 0
        self._data = path.read_bytes()

    def read(self, offset: int, length: int) -> bytes:
        self.read_bytes += length
        self.readings += 1
        return self._data[offset : offset + length]


async def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root,
        tempfile.TemporaryDirectory(prefix="datalab-frames-") as folder,
    ):
        paths = write_frames(Path(folder), FRAMES, SIDE)
        plain_ms = 1000 * run_plain(PLAIN, paths[0]).seconds
        counted = counted_reading(paths[0])
        async with running_system(Path(root)) as system:
            first_ms, warm_ms, spent_ms = await measure(system, paths)
    ordered = sorted(warm_ms)
    p50_ms, p99_ms = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
    share = counted.read_bytes / counted.size_bytes
    print(f"plain astropy, whole file      {plain_ms:7.1f} ms, 100 % of the file")
    print(f"through HTTP, first of a frame {first_ms:7.1f} ms, {100 * share:.1f} % in {counted.readings} readings")
    print(f"through HTTP, warm             {p50_ms:7.1f} ms (p50), {p99_ms:.1f} ms (p99), {spent_ms:.1f} ms of CPU")
    report(
        "cutout",
        {
            "p50_ms": round(p50_ms, 1),
            "p99_ms": round(p99_ms, 1),
            "first_ms": round(first_ms, 1),
            "cpu_ms": round(spent_ms, 1),
            "plain_ms": round(plain_ms, 1),
            "bytes_share": round(share, 4),
            "readings": counted.readings,
            "file_bytes": counted.size_bytes,
        },
    )


def counted_reading(path: Path) -> CountedFile:
    """Return how much is read of a file for one cutout; what is cut out is compared with astropy's."""
    source = CountedFile(path)
    part = PartialImage(basename="f", sha256="0" * 64, source=source).box((2000, 2000 + PART), (700, 700 + PART))
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(part, hdus["SCI"].data[2000 : 2000 + PART, 700 : 700 + PART])
    return source


async def measure(system: System, paths: list[Path]) -> tuple[float, list[float], float]:
    """Return milliseconds: of the first cutout of a frame, when processes run already, of all later ones, and of CPU.

    The last is what one of the later ones costs all processes together, this client's included.
    """
    admin = {"Authorization": f"Token {system.admin_token}"}
    async with httpx.AsyncClient(base_url=f"{system.api_url}/api/", headers=admin, timeout=60.0) as api:
        user = (await api.post("users/", json={"username": "bench", "superuser": True})).raise_for_status().json()
        api.headers["Authorization"] = f"Token {user['token']}"
        await ingest(system, paths, token=user["token"])
        numbers = [await number_of(api, path) for path in paths]
        places = random.Random(1)
        await cut(api, numbers[0], places, paths[0])
        first_ms = await cut(api, numbers[1], places, paths[1])
        for number, path in zip(numbers, paths, strict=True):
            for _ in range(6):  # until each process has seen each frame
                await cut(api, number, places, path)
        began_ms = cpu_ms()
        warm_ms = [await cut(api, numbers[turn % FRAMES], places, paths[turn % FRAMES]) for turn in range(REPETITIONS)]
        spent_ms = (cpu_ms() - began_ms) / REPETITIONS
    return first_ms, warm_ms, spent_ms


def cpu_ms() -> float:
    """Return the milliseconds of CPU that all processes have had, of this program and of those it started."""
    spent_s = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent_s += times.user + times.system
    return 1000 * spent_s


async def ingest(system: System, paths: list[Path], *, token: str) -> None:
    """Announce the frames as an observatory does, and wait until the archive has them."""
    bus = Bus(settings=system.nats_settings, service="bench", metrics=BusMetrics(create_registry()))
    await bus.connect()
    async with (
        ObjectStore(system.s3_settings) as store,
        FeedClient(f"{system.api_url.replace('http', 'ws', 1)}/api/feed", token=token) as feed,
    ):
        await feed.subscribe(sites=[SITE])
        for path in paths:
            stored = await store.put_file(data_key(path.name), path, content_type=FITS_TYPE)
            await bus.publish(FileStored(site=SITE, key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256))
        missing = len(paths)
        async for heard in feed:
            missing -= hasattr(heard.event, "basename")
            if not missing:
                break
    await bus.close()


async def number_of(api: httpx.AsyncClient, path: Path) -> int:
    """Return the number of a frame."""
    basename = path.name.removesuffix("-EX00.fits.fz")
    (frame,) = (await api.get(f"frames/?basename_exact={basename}")).raise_for_status().json()["results"]
    number: int = frame["id"]
    return number


async def cut(api: httpx.AsyncClient, number: int, places: random.Random, path: Path) -> float:
    """Ask once, anywhere; return the milliseconds until the whole answer is there."""
    x, y = (places.randrange(1, SIDE - PART) for _ in range(2))
    began = time.perf_counter()
    reply = await api.get(f"frames/{number}/cutout/?x={x}&y={y}&width={PART}&height={PART}")
    milliseconds = 1000 * (time.perf_counter() - began)
    if reply.status_code != 200:
        raise RuntimeError(f"{path.name}: {reply.text[:300]}")
    if fits.getdata(io.BytesIO(reply.content)).shape != (PART, PART):
        raise RuntimeError(f"{path.name}: another size than was asked for")
    return milliseconds


if __name__ == "__main__":
    asyncio.run(main())
