"""How long questions to a large archive take, through HTTP, one after the other.

FRAMES frames (1,000,000 if the environment says nothing) are put into the document store as ingest would write them:
three years of ten sites, a fifth of the newest not public yet, 5000 targets all over the sky with 200 frames each on
average, headers of 70 cards. Then each kind of question is asked with other values every time, and answered with 100
results. FRAMES_DIR names a folder to keep them in, and to find them in the next time. Beside the times stands the
processor time that a question costs all servers together: on a busy machine it tells more.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from datalab.astro.headers.cards import header_cards
from datalab.documents.frame import CLOSED, COLLECTION, COMPLETE, INDEXES, FrameDocument, FrameFile
from datalab.documents.header_terms import term_of
from datalab.documents.sky import polygon
from datalab.local.system import System, running_system
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.collection import Collection
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from support import cpu_seconds, report

FRAMES = int(os.environ.get("FRAMES", "1000000"))
QUESTIONS = 300
LIMIT = 100
SITES = [f"si{number}" for number in range(10)]
FILTERS = ["up", "gp", "rp", "ip", "zs", "B", "V", "w"]
EXPOSURES_S = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0]
TARGETS, USERS, PROPOSALS = 5000, 500, 100
END = datetime(2026, 11, 29, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
EMBARGO = timedelta(days=365)
HALF_SIDE_DEG = 0.25
_BATCH = 2000


class Sky:
    """Where the targets are, and what is observed when: the same in every run."""

    def __init__(self) -> None:
        self.chance = random.Random(1)
        self.targets = [self._anywhere() for _ in range(TARGETS)]
        self._popularity = [self.chance.lognormvariate(0, 0.5) for _ in range(TARGETS)]
        self._chosen: Iterator[int] = iter(())

    def _anywhere(self) -> tuple[float, float]:
        return self.chance.uniform(0, 360), math.degrees(math.asin(self.chance.uniform(-1, 1)))

    def target(self) -> int:
        number = next(self._chosen, None)
        if number is None:
            self._chosen = iter(self.chance.choices(range(TARGETS), weights=self._popularity, k=10_000))
            number = next(self._chosen)
        return number


def template() -> FrameDocument:
    """Return a frame as ingest makes it of the simulated observatory's files."""
    exposure = next(iter(SimulatedObservatory(camera=Camera(rows=32, columns=32)).exposures(NightPlan(n_exposures=1))))
    endings = {"txt_00": "EX00.txt", "jpg_10": "EX10.jpg", "jpg_11": "EX11.jpg", "fits_00": "EX00.fits.fz"}
    files = {
        role: FrameFile(
            key=f"data/{ending}", size_bytes=10, sha256="a" * 64, etag="b" * 32, media_type="image/jpeg", stored_at=END
        )
        for role, ending in endings.items()
    }
    return FrameDocument(
        basename="template",
        frame_id=0,
        site="sim",
        data_type="EX",
        files=files,
        header=header_cards(exposure.header),
        header_source="text",
        header_role="txt_00",
        reduction_level=91,
        created=END,
        modified=END,
    )


def documents(count: int) -> Iterator[dict[str, Any]]:
    """Yield frames as they are stored, in the order they were taken."""
    sky, frame = Sky(), template()
    base, header = frame.stored(), dict(frame.header or {})
    varied = ("FILTER", "OBJECT", "SITEID", "EXPTIME", "USERID", "PROPID", "ORIGNAME", "FRAMENUM")
    constant_terms = [term for term in frame.header_terms if term.partition("=")[0] not in varied]
    for number in range(1, count + 1):
        target = sky.target()
        ra, dec = sky.targets[target]
        moment = END - SPAN * (1 - number / count)
        site, chance = sky.chance.choice(SITES), sky.chance
        name = f"{site}-cam{number % 2}-{moment:%Y%m%d}-{number:08d}"
        proposal = chance.randrange(PROPOSALS)
        public_date = moment + EMBARGO if proposal % 2 else moment
        corners = square(ra + chance.uniform(-0.02, 0.02), dec + chance.uniform(-0.02, 0.02))
        cards = {
            "FILTER": chance.choice(FILTERS),
            "OBJECT": f"Target {target}",
            "SITEID": site,
            "EXPTIME": chance.choice(EXPOSURES_S),
            "USERID": f"user-{chance.randrange(USERS)}",
            "PROPID": f"P{proposal}",
            "ORIGNAME": f"{name}-EX00.fits.fz",
            "FRAMENUM": number,
        }
        yield {
            **base,
            "_id": name,
            "frame_id": number,
            "site": site,
            "files": {role: {**file, "key": f"data/{name}-{file['key'][5:]}"} for role, file in base["files"].items()},
            "observation_date": moment,
            "capture_date": moment,
            "created": moment,
            "modified": END,
            "right_ascension_deg": ra,
            "declination_deg": dec,
            "exposure_time_s": cards["EXPTIME"],
            "filter_name": cards["FILTER"],
            "username": cards["USERID"],
            "user_id": cards["USERID"],
            "target_name": cards["OBJECT"],
            "proposal_id": cards["PROPID"],
            "observation_id": str(number // 10),
            "request_id": str(number // 10),
            "site_id": site,
            "telescope_id": f"0m{number % 3}",
            "instrument_id": f"cam{number % 2}-{site}",
            "observation_day": f"{moment:%Y-%m-%d}",
            "configuration_type": "EXPOSE" if number % 10 else "DARK",
            "public_date": public_date,
            "release": COMPLETE if public_date <= END else CLOSED,
            "header": {**header, **cards},
            "header_terms": [*constant_terms, *filter(None, (term_of(key, value) for key, value in cards.items()))],
            "footprint": corners,
            "sky": polygon(corners),
            "outbox": [],
        }


def square(ra: float, dec: float) -> list[tuple[float, float]]:
    """Return the corners of an image, in the tangential plane as cameras have it."""
    ra0, dec0 = math.radians(ra), math.radians(dec)
    corners = []
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        xi, eta = math.radians(x * HALF_SIDE_DEG), math.radians(y * HALF_SIDE_DEG)
        below = math.cos(dec0) - eta * math.sin(dec0)
        corner_ra = ra0 + math.atan2(xi, below)
        corner_dec = math.atan2(math.sin(dec0) + eta * math.cos(dec0), math.hypot(xi, below))
        corners.append((math.degrees(corner_ra) % 360, math.degrees(corner_dec)))
    return corners


async def fill(store: DocumentStore) -> None:
    """Put the frames into the store, and make its indexes when they are there: that is quicker."""
    frames = Collection(store.database, COLLECTION, FrameDocument, indexes=INDEXES)
    if await frames.estimated_count() != FRAMES:
        await frames.driver.drop()
        several = documents(FRAMES)
        while batch := list(itertools.islice(several, _BATCH)):
            await frames.driver.insert_many(batch, ordered=False)
            if batch[-1]["frame_id"] % 100_000 == 0:
                print(f"{batch[-1]['frame_id']} frames stored", flush=True)
    await frames.ensure_indexes()


class Questions:
    """Each method returns a question nobody asked before, as a path."""

    def __init__(self) -> None:
        self._chance = random.Random(2)
        self._targets = Sky().targets

    def filtered(self) -> str:
        chance = self._chance
        start = END - SPAN * chance.random()
        night = {
            "start_date": f"{start:%Y-%m-%d %H:%M:%S}",
            "end_date": f"{start + timedelta(days=3):%Y-%m-%d %H:%M:%S}",
        }
        site, user = {"site": chance.choice(SITES)}, {"user_id": f"user-{chance.randrange(USERS)}"}
        long, colour = {"exposure_time_min": 60}, {"filter": chance.choice(FILTERS)}
        header = {"header": f"OBJECT=Target {chance.randrange(TARGETS)}"}
        return self._images(
            chance.choice([site | night, site, user, site | colour | long, user | colour, header, colour | night])
        )

    def latest(self) -> str:
        user = {"userid": f"user-{self._chance.randrange(USERS)}"} if self._chance.random() < 0.2 else {}
        return f"/{self._chance.choice(SITES)}/latest_images/{LIMIT}?{urlencode(user)}"

    def cone(self) -> str:
        ra, dec = self._chance.choice(self._targets)
        if self._chance.random() < 0.2:
            return self._images({"covers": f"POINT({ra} {dec})"})
        return self._images({"ra": ra, "dec": dec, "radius": self._chance.choice([0.01, 0.1, 0.5])})

    def frames_page(self) -> str:
        chance = self._chance
        end = END - SPAN * chance.random() * 0.9
        month = {"start": f"{end - timedelta(days=30):%Y-%m-%dT%H:%M:%S.000Z}", "end": f"{end:%Y-%m-%dT%H:%M:%S.000Z}"}
        public = {"public": "true", "exclude_calibrations": "true"}
        proposal = {"proposal_id": f"P{chance.randrange(PROPOSALS)}"}
        site = {"site_id": chance.choice(SITES)}
        chosen = chance.choice(
            [month | public, month | proposal, site, proposal | site, month | {"reduction_level": 91}, {}]
        )
        return f"/api/frames/?{urlencode({'include_thumbnails': 'true', 'limit': LIMIT} | chosen)}"

    def count(self) -> str:
        chance = self._chance
        start = f"{END - SPAN * chance.random():%Y-%m-%dT%H:%M:%S.000Z}"
        chosen = chance.choice(
            [
                {"site_id": chance.choice(SITES)},
                {"start": start},
                {"site_id": chance.choice(SITES), "start": start},
                {"primary_optical_element": chance.choice(FILTERS), "start": start},
                {"configuration_type": "EXPOSE"},
                {"proposal_id": f"P{chance.randrange(PROPOSALS)}"},
                {},
            ]
        )
        return f"/api/frames/?{urlencode({'limit': 1, 'include_related_frames': 'false'} | chosen)}"

    @staticmethod
    def _images(chosen: dict[str, Any]) -> str:
        return f"/filtered_images?{urlencode(chosen | {'limit': LIMIT})}"


async def main() -> None:
    kept = os.environ.get("FRAMES_DIR")
    folder = (
        nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True)
    )
    with folder as root:
        async with running_system(Path(root)) as system:
            store = DocumentStore(system.mongo_settings)
            began = time.perf_counter()
            await fill(store)
            print(f"{FRAMES} frames stored and indexed in {time.perf_counter() - began:.0f} s", flush=True)
            await store.close()
            os.sync()
            figures = await measure(system)
    report("queries", {**figures, "frames": FRAMES})


async def measure(system: System) -> dict[str, object]:
    questions = Questions()
    figures: dict[str, object] = {}
    async with httpx.AsyncClient(base_url=system.api_url, timeout=60.0, trust_env=False) as client:
        for name in ("filtered", "latest", "cone", "frames_page", "count"):
            before = cpu_seconds()
            p50, p99, results = await time_of(client, getattr(questions, name))
            cpu_ms = {each: 1000 * (after - before[each]) / QUESTIONS for each, after in cpu_seconds().items()}
            of = ", ".join(f"{each} {spent:.1f}" for each, spent in cpu_ms.items() if spent >= 1)
            print(
                f"{name:<12} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   {results:5.1f} results   CPU ms: {of}", flush=True
            )
            figures |= {f"{name}_p99_ms": p99, f"{name}_p50_ms": p50, f"{name}_cpu_ms": round(sum(cpu_ms.values()), 1)}
    return figures


async def time_of(client: httpx.AsyncClient, ask: Callable[[], str]) -> tuple[float, float, float]:
    """Return median and 99th percentile in ms, and how many results there were on average; the first are not timed."""
    times_ms, results, slowest = [], 0, (0.0, "")
    for number in range(QUESTIONS + 20):
        path = ask()
        began = time.perf_counter()
        reply = await client.get(path)
        elapsed_ms = 1000 * (time.perf_counter() - began)
        answer = reply.raise_for_status().json()
        if number >= 20:
            times_ms.append(elapsed_ms)
            results += len(answer if isinstance(answer, list) else answer["results"])
            slowest = max(slowest, (elapsed_ms, path))
    print(f"slowest: {slowest[0]:.0f} ms {slowest[1]}")
    return (
        round(statistics.median(times_ms), 1),
        round(statistics.quantiles(times_ms, n=100)[98], 1),
        results / QUESTIONS,
    )


asyncio.run(main())
