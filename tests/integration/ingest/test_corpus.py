"""Files as people have them, sent to a running system: what is odd can be read, also in what is made of them."""

import asyncio
import hashlib
import io
from dataclasses import dataclass
from datetime import datetime

import pytest
from astropy.io import fits

from corpus.collection import KINDS
from corpus.judging import is_about
from corpus.model import UNASKED
from datalab.client.frames import each_frame
from datalab.client.rest import Datalab
from datalab.events.feed import FileRefused, FrameChanged
from datalab.events.frames import FileStored
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support.waiting import PATIENCE_S

SITE = "tst"
FILES = {file.name.partition(".")[0]: file for files in KINDS.values() for file in files}
TAKEN = {name for name, file in FILES.items() if file.right.refused is None}
#: Of each kind so many odd files are operated on: all of them would take a minute.
MADE_PER_KIND = 4
SENT_AT_ONCE = 16


@dataclass
class Archive:
    """What a running system says of every file of the corpus, and what it has made of some."""

    frames: dict[str, dict]
    refusals: dict[str, str]
    operation: dict
    products: dict[str, fits.Header]


@pytest.fixture(scope="module")
async def archive(tmp_path_factory):
    # No pictures: they are not looked at, and would take most of the time.
    environ = {"DATALAB_OPEN_SITES": f'["{SITE}"]', "DATALAB_PREVIEW_PATIENCE_S": "3600"}
    folder = tmp_path_factory.mktemp("corpus")
    async with (
        running_system(folder, runners=1, reach=Reach(api_port=free_port()), environ=environ) as system,
        Datalab(system.api_url, system.admin_token) as api,
    ):
        async with asyncio.timeout(PATIENCE_S):
            refusals = await sent(system, api)
            frames = {frame["basename"]: frame async for frame in each_frame(api)}
            operation, products = await normalized(api, sorted(odd_names() & frames.keys()))
        yield Archive(frames, refusals, operation, products)


async def sent(system, api):
    """Send all files as an observatory does; return why some were refused when the fate of all is known."""
    bus = Bus(settings=system.nats_settings, service="observatory", metrics=BusMetrics(create_registry()))
    await bus.connect()
    refusals = {}
    try:
        async with ObjectStore(system.s3_settings) as store, api.feed() as feed:
            await feed.subscribe(sites=[SITE])
            places = asyncio.Semaphore(SENT_AT_ONCE)

            async def send(file):
                content = file.build()
                key = f"data/{file.name}"
                async with places:
                    await store.put_bytes(key, content, content_type="application/octet-stream")
                    sha256 = hashlib.sha256(content).hexdigest()
                    told = FileStored(
                        site=SITE, key=key, size_bytes=len(content), sha256=sha256, producer="observatory"
                    )
                    await bus.publish(told)

            sending = asyncio.gather(*(send(file) for file in FILES.values()))
            waited_for = set(FILES)
            async for heard in feed:
                match heard.event:
                    case FrameChanged(basename=basename, roles=roles) if "fits" in roles:
                        waited_for.discard(basename)
                    case FileRefused(key=key, reason=reason):
                        basename = key.removeprefix("data/").partition(".")[0]
                        refusals[basename] = reason
                        waited_for.discard(basename)
                if not waited_for:
                    break
            await sending
    finally:
        await bus.close()
    return refusals


def odd_names():
    """Return the names of the files that are operated on: some of each kind with something to be noted."""
    chosen = set()
    for files in KINDS.values():
        odd = [file for file in files if file.right.refused is None and file.right.noted]
        chosen |= {file.name.partition(".")[0] for file in odd[:: max(1, len(odd) // MADE_PER_KIND)][:MADE_PER_KIND]}
    return chosen


async def normalized(api, names):
    """Return the operation that divided images by their medians, and the headers of its products by input."""
    images = [{"source": "archive", "basename": name} for name in names]
    session = await api.add_session("corpus", images)
    started = await api.start(session["id"], "Normalization", {"input_files": images})
    operation = await api.ended(session["id"], started["id"])
    assert operation["status"] == "COMPLETED", operation["message"]
    headers = {}
    for product in operation["output"]["output_files"]:
        with fits.open(io.BytesIO(await api.download(product["fits_url"]))) as hdus:
            (name,) = product["inputs"]
            headers[name] = hdus[0].header.copy()
    return operation, headers


async def test_what_cannot_be_right_is_refused_with_its_reason_and_all_else_is_taken(archive):
    assert archive.frames.keys() == TAKEN
    assert archive.refusals.keys() == FILES.keys() - TAKEN


async def test_frames_say_when_how_long_and_through_what(archive):
    wrong = []
    for name in TAKEN:
        right, frame = FILES[name].right, archive.frames[name]
        said = frame["observation_date"] and datetime.fromisoformat(frame["observation_date"])
        if right.start not in {None, UNASKED} and (said or "start" not in right.may_be_left_out):
            off_s = abs((said - right.start).total_seconds()) if said else None
            wrong += (
                [] if off_s is not None and off_s <= max(right.time_within_s, 0.001) else [(name, said, right.start)]
            )
        for key, expected in (("exposure_time", right.exposure_s), ("primary_optical_element", right.filter_name)):
            if expected is not UNASKED and frame[key] and frame[key] != expected:
                wrong.append((name, frame[key], expected))
    assert wrong == []


async def test_what_is_odd_about_a_file_is_noted_on_its_frame(archive):
    silent = [
        (name, keyword, archive.frames[name]["notes"])
        for name in TAKEN
        for keyword in FILES[name].right.noted
        if not any(is_about(note, keyword) for note in archive.frames[name]["notes"])
    ]
    assert silent == []


async def test_what_is_made_of_an_odd_file_carries_the_notes(archive):
    products = archive.operation["output"]["output_files"]
    assert {product["inputs"][0] for product in products} == odd_names()
    silent = []
    for product in products:
        (name,) = product["inputs"]
        history = "".join(archive.products[name].get("HISTORY", []))
        for keyword in FILES[name].right.noted:
            if not any(is_about(note, keyword) for note in product["notes"] if note.startswith(f"{name}: ")):
                silent.append((name, keyword, "output", product["notes"]))
            if not is_about(history, keyword):
                silent.append((name, keyword, "HISTORY", history))
    assert silent == []
