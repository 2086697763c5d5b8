"""Looking at a frame of 4096 x 4096 through HTTP: raw-data as the user interface asks for it, and other actions.

Ours: from sending the request to having the whole reply, over REST, bus and runner. Cold is the first look, for which
the frame is fetched and decoded; warm are all later ones, by any user.
Plain: what a web worker without a cache does for each request: astropy opens and decodes the file, numpy takes means of
blocks of 6 x 6 pixels, json writes them. The file is on its disk. Measured without starting Python and importing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from datalab.client.feed import FeedClient
from datalab.events.frames import FileStored
from datalab.events.object_keys import data_key
from datalab.local.system import System, running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support import FITS_TYPE, report, run_plain, write_frames

SIDE = 4096
DISPLAY_SIDE = 700  # what the user interface's wizard asks for
REPETITIONS = 20
SITE = "sim"

PLAIN = """
import json, statistics, sys, time
from astropy.io import fits

def look(path):
    with fits.open(path) as hdus:
        pixels = hdus["SCI"].data
    count = len(pixels) // 6
    blocks = pixels[: 6 * count, : 6 * count].reshape(count, 6, count, 6).mean(axis=(1, 3))
    return json.dumps({"data": blocks[::-1].ravel().tolist()})

seconds = []
for _ in range(4):
    began = time.perf_counter()
    look(sys.argv[1])
    seconds.append(time.perf_counter() - began)
print(statistics.median(seconds[1:]))
"""

_PLACE = {"width": 1000, "height": 1000, "x": 500, "y": 500}
ACTIONS: Mapping[str, Mapping[str, float]] = {
    "raw-data": {"max_size": DISPLAY_SIDE},
    "line-profile": {"width": 1000, "height": 1000, "x1": 100, "y1": 100, "x2": 900, "y2": 900},
    "centroiding": _PLACE,
    "statistics": {**_PLACE, "x1": 400, "y1": 400, "x2": 600, "y2": 600},
    "histogram": {},
    "wcs": {},
    "get-jpg": {"zmin": 100, "zmax": 1000},
}


async def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root,
        tempfile.TemporaryDirectory(prefix="datalab-frames-") as folder,
    ):
        (path,) = write_frames(Path(folder), 1, SIDE)
        plain_ms = 1000 * run_plain(PLAIN, path).seconds
        async with running_system(Path(root)) as system:
            cold_ms, warm_ms = await measure(system, path)
    print(f"plain astropy + numpy     raw-data        {plain_ms:7.1f} ms")
    print(f"through HTTP, cold        raw-data        {cold_ms:7.1f} ms")
    for action, milliseconds in warm_ms.items():
        print(f"through HTTP, warm        {action:<15} {milliseconds:7.1f} ms")
    report(
        "analysis",
        {
            "raw_data_warm_ms": round(warm_ms["raw-data"], 1),
            "raw_data_cold_ms": round(cold_ms, 1),
            "plain_ms": round(plain_ms, 1),
            "time_ratio": round(plain_ms / warm_ms["raw-data"], 2),
            **{f"{action}_ms": round(warm_ms[action], 1) for action in ACTIONS if action != "raw-data"},
        },
    )


async def measure(system: System, path: Path) -> tuple[float, dict[str, float]]:
    """Return the milliseconds of the first look, and the median of those after it by action."""
    admin = {"Authorization": f"Token {system.admin_token}"}
    async with httpx.AsyncClient(base_url=f"{system.api_url}/api/", headers=admin, timeout=60.0) as api:
        user = (await api.post("users/", json={"username": "bench", "superuser": True})).raise_for_status().json()
        api.headers["Authorization"] = f"Token {user['token']}"
        await ingest(system, path, token=user["token"])
        basename = path.name.removesuffix("-EX00.fits.fz")
        cold_ms = await look(api, "raw-data", basename)
        warm_ms = {
            action: statistics.median([await look(api, action, basename) for _ in range(REPETITIONS)])
            for action in ACTIONS
        }
    return cold_ms, warm_ms


async def ingest(system: System, path: Path, *, token: str) -> None:
    """Announce the frame as an observatory does, and wait until the archive has it."""
    bus = Bus(settings=system.nats_settings, service="bench", metrics=BusMetrics(create_registry()))
    await bus.connect()
    async with (
        ObjectStore(system.s3_settings) as store,
        FeedClient(f"{system.api_url.replace('http', 'ws', 1)}/api/feed", token=token) as feed,
    ):
        await feed.subscribe(sites=[SITE])
        stored = await store.put_file(data_key(path.name), path, content_type=FITS_TYPE)
        await bus.publish(FileStored(site=SITE, key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256))
        async for heard in feed:
            if hasattr(heard.event, "basename"):
                break
    await bus.close()


async def look(api: httpx.AsyncClient, action: str, basename: str) -> float:
    """Ask once; return the milliseconds until the whole answer is there."""
    began = time.perf_counter()
    reply = await api.post(f"analysis/{action}/", json={"basename": basename, "source": "archive", **ACTIONS[action]})
    milliseconds = 1000 * (time.perf_counter() - began)
    if reply.status_code != 200:
        raise RuntimeError(f"{action}: {reply.text[:300]}")
    return milliseconds


if __name__ == "__main__":
    asyncio.run(main())
