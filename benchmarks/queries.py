"""How long questions to a large archive take, through HTTP, one after the other.

FRAMES frames (1,000,000 if the environment says nothing) are put into the document store as ingest would write them:
three years of ten sites with two telescopes each, a fifth of the newest not public yet, 5000 targets all over the sky
with 200 frames each on average, headers of 70 cards in their own collection; the indexes are made when they are there.
Then ingest tallies them, and each kind of question is asked with other values every time, and answered with 100
results: first of a document store that was just started and has next to nothing in memory (cold), then again when it
has read every frame once, as after a day of use. FRAMES_DIR names a folder to keep them in, and to find them in the
next time.

Beside the times stands the processor time that a question costs each server: on a busy machine it tells more.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern

from datalab.astro.headers.cards import header_cards
from datalab.documents import frame_header, frame_tally
from datalab.documents.frame import CLOSED, COLLECTION, COMPLETE, INDEXES, FrameDocument, FrameFile, kept_cards
from datalab.documents.frame_header import HeaderDocument
from datalab.documents.header_terms import term_of, terms_of
from datalab.documents.sky import ring
from datalab.local.data_folder import DataFolder
from datalab.local.embedded import start_servers
from datalab.local.supervisor import Supervisor
from datalab.local.system import System, running_system
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.collection import Collection
from datalab.platform.settings import MongoSettings
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from support import cpu_seconds, report

FRAMES = int(os.environ.get("FRAMES", "1000000"))
QUESTIONS = 300
_NOT_TIMED = 20
_ASKED = QUESTIONS + _NOT_TIMED
#: The indexes of ten million frames take an hour, and more on a busy machine or with less memory to sort in.
_PATIENCE_S = 6 * 3600.0
_INDEXING_MB = 1000
#: The API reads the tallies now and then.
_API_READS_TALLIES_S = 35.0
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
#: What was asked for, 99 of 100 answers, ms; with ten times as many frames twice that.
ASKED_MS = {"filtered": 25, "latest": 25, "cone": 25, "frames_page": 40, "count": 100, "aggregate": 100}
#: Proposals that a site observes in one month.
_MONTHLY_PROPOSALS = 20


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


def template() -> tuple[FrameDocument, dict[str, Any]]:
    """Return a frame as ingest makes it of the simulated observatory's files, and its header."""
    exposure = next(iter(SimulatedObservatory(camera=Camera(rows=32, columns=32)).exposures(NightPlan(n_exposures=1))))
    endings = {"txt_00": "EX00.txt", "jpg_10": "EX10.jpg", "jpg_11": "EX11.jpg", "fits_00": "EX00.fits.fz"}
    files = {
        role: FrameFile(
            key=f"data/{ending}", size_bytes=10, sha256="a" * 64, etag="b" * 32, media_type="image/jpeg", stored_at=END
        )
        for role, ending in endings.items()
    }
    header = header_cards(exposure.header)
    frame = FrameDocument(
        basename="template",
        frame_id=0,
        site="sim",
        data_type="EX",
        files=files,
        cards=kept_cards(header),
        header_terms=terms_of(header),
        header_source="text",
        header_role="txt_00",
        reduction_level=91,
        created=END,
        modified=END,
    )
    return frame, dict(header)


class Headers:
    """Headers as they are stored: what is the same in all of them is encoded once."""

    def __init__(self, constant: Mapping[str, Any]) -> None:
        self._constant = encode(constant)[4:-1]

    def document(self, name: str, basename: str, cards: Mapping[str, Any]) -> RawBSONDocument:
        inside = self._constant + encode(cards)[4:]
        inside = struct.pack("<i", 4 + len(inside)) + inside
        outside = encode({"_id": name, "basename": basename})[4:-1] + b"\x03cards\0" + inside + b"\0"
        return RawBSONDocument(struct.pack("<i", 4 + len(outside)) + outside)


def documents(count: int) -> Iterator[tuple[dict[str, Any], RawBSONDocument]]:
    """Yield frames and headers as they are stored, in the order they were taken."""
    sky = Sky()
    frame, header = template()
    base = frame.stored()
    varied = ("FILTER", "OBJECT", "SITEID", "EXPTIME", "USERID", "PROPID", "ORIGNAME", "FRAMENUM")
    headers = Headers({keyword: value for keyword, value in header.items() if keyword not in varied})
    constant_terms = [term for term in base["header_terms"] if term.partition("=")[0] not in varied]
    for number in range(1, count + 1):
        target = sky.target()
        ra, dec = sky.targets[target]
        moment = END - SPAN * (1 - number / count)
        site_number, chance = sky.chance.randrange(len(SITES)), sky.chance
        site, telescope = SITES[site_number], sky.chance.randrange(2)
        name = f"{site}-cam{telescope}-{moment:%Y%m%d}-{number:08d}"
        # Each month a site has other proposals, and each proposal few users.
        first = 7 * site_number + 13 * (12 * moment.year + moment.month)
        proposal = (first + chance.randrange(_MONTHLY_PROPOSALS)) % PROPOSALS
        user = (proposal + PROPOSALS * chance.randrange(5)) % USERS
        public_date = moment + EMBARGO if proposal % 2 else moment
        corners = square(ra + chance.uniform(-0.02, 0.02), dec + chance.uniform(-0.02, 0.02))
        cards = {
            "FILTER": chance.choice(FILTERS),
            "OBJECT": f"Target {target}",
            "SITEID": site,
            "EXPTIME": chance.choice(EXPOSURES_S),
            "USERID": f"user-{user}",
            "PROPID": f"P{proposal}",
            "ORIGNAME": f"{name}-EX00.fits.fz",
            "FRAMENUM": number,
        }
        header_name = f"{name}/{'a' * 64}"
        yield (
            {
                **base,
                "_id": name,
                "frame_id": number,
                "site": site,
                "files": {
                    role: {**file, "key": f"data/{name}-{file['key'][5:]}"} for role, file in base["files"].items()
                },
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
                "telescope_id": f"0m{telescope}",
                "instrument_id": f"cam{telescope}-{site}",
                "observation_day": f"{moment:%Y-%m-%d}",
                "configuration_type": "EXPOSE" if number % 10 else "DARK",
                "public_date": public_date,
                "release": COMPLETE if public_date <= END else CLOSED,
                "cards": {**base["cards"], **kept_cards(cards)},
                "header_id": header_name,
                "header_terms": [*constant_terms, *filter(None, (term_of(key, value) for key, value in cards.items()))],
                "footprint": corners,
                "sky": ring(corners),
                "outbox": [],
            },
            headers.document(header_name, name, cards),
        )


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


async def fill(root: Path) -> None:
    """Put the frames into a document store, and make its indexes when they are there: that is quicker."""
    with DataFolder(root) as folder:
        async with Supervisor(folder=folder) as supervisor:
            addresses = await start_servers(supervisor=supervisor, folder=folder, environ=os.environ)
            settings = addresses.settings(MongoSettings)
            store = DocumentStore(settings.model_copy(update={"mongo_timeout_s": _PATIENCE_S}))
            frames = Collection(store.database, COLLECTION, FrameDocument, indexes=INDEXES)
            headers = Collection(store.database, frame_header.COLLECTION, HeaderDocument, indexes=frame_header.INDEXES)
            if await frames.estimated_count() != FRAMES:
                began = time.perf_counter()
                for each in (frames, headers):
                    await each.driver.drop()
                await store.database[frame_tally.COLLECTION].drop()
                await _insert(frames, headers)
                print(f"{FRAMES} frames stored in {time.perf_counter() - began:.0f} s", flush=True)
            began = time.perf_counter()
            memory = {"maxIndexBuildMemoryUsageMegabytes": _INDEXING_MB}
            await store.database.client.admin.command({"setParameter": 1, **memory})
            await frames.ensure_indexes()
            await headers.ensure_indexes()
            print(f"indexes made in {time.perf_counter() - began:.0f} s", flush=True)
            await store.close()


async def _insert(*collections: Collection[Any]) -> None:
    # Not every batch has to be safe on the disk before the next one comes.
    unsafe = WriteConcern(w=1, j=False)
    stores = [each.driver.with_options(write_concern=unsafe) for each in collections]
    several = documents(FRAMES)
    began = time.perf_counter()
    while batch := list(itertools.islice(several, _BATCH)):
        rows = zip(*batch, strict=True)
        await asyncio.gather(
            *(each.insert_many(list(some), ordered=False) for each, some in zip(stores, rows, strict=True))
        )
        stored = batch[-1][0]["frame_id"]
        if stored % max(100_000, FRAMES // 20) == 0:
            print(f"{stored} frames after {time.perf_counter() - began:.0f} s", flush=True)


async def tallied(store: DocumentStore) -> None:
    """Wait until ingest has tallied all that was there when it started."""
    tallies = store.database[frame_tally.COLLECTION]
    every_month: dict[str, Any] = {f"marked.{frame_tally.EVERY_DAY}": {"$exists": True}}
    while True:
        begun = await tallies.find_one({"_id": frame_tally.COMPLETE_ID})
        if begun and not await tallies.find_one(every_month):
            return
        await asyncio.sleep(1)


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

    def aggregate(self) -> str:
        chance = self._chance
        start = f"{END - SPAN * chance.random():%Y-%m-%dT%H:%M:%S.000Z}"
        chosen = chance.choice(
            [
                {},
                {"start": start},
                {"site_id": chance.choice(SITES)},
                {"proposal_id": f"P{chance.randrange(PROPOSALS)}", "start": start},
                {"primary_optical_element": chance.choice(FILTERS), "configuration_type": "EXPOSE"},
            ]
        )
        return f"/api/frames/aggregate/?{urlencode(chosen)}"

    @staticmethod
    def _images(chosen: dict[str, Any]) -> str:
        return f"/filtered_images?{urlencode(chosen | {'limit': LIMIT})}"


async def main() -> None:
    kept = os.environ.get("FRAMES_DIR")
    folder = (
        nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True)
    )
    with folder as root:
        await fill(Path(root))
        async with running_system(Path(root)) as system:
            store = DocumentStore(system.mongo_settings.model_copy(update={"mongo_timeout_s": _PATIENCE_S}))
            began = time.perf_counter()
            await tallied(store)
            print(f"tallied {time.perf_counter() - began:.0f} s after the start", flush=True)
            os.sync()
            await asyncio.sleep(_API_READS_TALLIES_S)
            questions = Questions()
            cold = await measure(system, questions)
            began = time.perf_counter()
            await read_all(store)
            print(f"all frames read in {time.perf_counter() - began:.0f} s", flush=True)
            await store.close()
            figures = await measure(system, questions)
    report("queries", {**figures, **{f"cold_{name}": value for name, value in cold.items()}, "frames": FRAMES})


async def read_all(store: DocumentStore) -> None:
    """Have the document store read every frame, and keep in memory what it has room for."""
    sizes = [{"$group": {"_id": None, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}}]
    await store.database[COLLECTION].aggregate(sizes).to_list(None)


async def measure(system: System, questions: Questions) -> dict[str, object]:
    figures: dict[str, object] = {}
    async with httpx.AsyncClient(base_url=system.api_url, timeout=60.0, trust_env=False) as client:
        for name, asked_ms in ASKED_MS.items():
            before = cpu_seconds()
            p50, p99, results = await time_of(client, getattr(questions, name))
            cpu_ms = {each: 1000 * (after - before[each]) / _ASKED for each, after in cpu_seconds().items()}
            api_ms = sum(spent for each, spent in cpu_ms.items() if "api" in each)
            mongod_ms = sum(spent for each, spent in cpu_ms.items() if "mongo" in each)
            print(
                f"{name:<12} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms (asked {asked_ms})   {results:5.1f} results   "
                f"CPU ms: API {api_ms:.1f}, mongod {mongod_ms:.1f}",
                flush=True,
            )
            figures |= {
                f"{name}_p99_ms": p99,
                f"{name}_p50_ms": p50,
                f"{name}_api_cpu_ms": round(api_ms, 1),
                f"{name}_mongod_cpu_ms": round(mongod_ms, 1),
            }
    return figures


async def time_of(client: httpx.AsyncClient, ask: Callable[[], str]) -> tuple[float, float, float]:
    """Return median and 99th percentile in ms, and how many results there were on average; the first are not timed."""
    times_ms, results, slowest = [], 0, (0.0, "")
    for number in range(_ASKED):
        path = ask()
        began = time.perf_counter()
        reply = await client.get(path)
        elapsed_ms = 1000 * (time.perf_counter() - began)
        answer = reply.raise_for_status().json()
        if number >= _NOT_TIMED:
            times_ms.append(elapsed_ms)
            results += len(answer if isinstance(answer, list) else answer.get("results", answer))
            slowest = max(slowest, (elapsed_ms, path))
    print(f"slowest: {slowest[0]:.0f} ms {slowest[1]}")
    return (
        round(statistics.median(times_ms), 1),
        round(statistics.quantiles(times_ms, n=100)[98], 1),
        results / QUESTIONS,
    )


asyncio.run(main())
