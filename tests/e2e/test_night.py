"""A night under misfortune: every good file becomes part of its frame, every bad one is refused, none lost or double.

`EXPOSURES=500` is the whole night (`make night`); the suite plays a shorter one.
"""

import asyncio
import contextlib
import os
from collections import Counter
from functools import partial
from io import BytesIO

import httpx
import pytest
from PIL import Image

from datalab.client.feed import FeedClient
from datalab.documents.frame import COLLECTION
from datalab.events.feed import FileRefused, FrameChanged
from datalab.events.frames import FrameIngested
from datalab.events.topology import FILE_INGEST, FRAMES, PREVIEW_MAKERS, PREVIEW_NOTES
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.documents.client import DocumentStore
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support.chaos import FEW_OPERATIONS
from support.night import SITE, Sender, made_night
from support.waiting import until

EXPOSURES = int(os.environ.get("EXPOSURES", "40"))
PATIENCE_S = 120 + EXPOSURES / 2
AT_ONCE = 6
#: Killed when this share of the files has been sent.
KILLED = {0.15: "ingest", 0.3: "operation-runner-1", 0.45: "ingest", 0.6: "operation-runner-1", 0.8: "ingest"}


class Listener:
    """What a superuser hears of the site on the feed."""

    def __init__(self):
        self.roles = {}
        self.refusals = {}
        self.event_ids = Counter()

    async def listen(self, feed):
        async for heard in feed:
            self.event_ids[heard.event.event_id] += 1
            match heard.event:
                case FrameChanged():
                    self.roles.setdefault(heard.event.basename, set()).update(heard.event.roles)
                case FileRefused():
                    self.refusals.setdefault(heard.event.key, []).append(heard.event.reason)


@pytest.fixture
async def system(tmp_path):
    environ = FEW_OPERATIONS | {"DATALAB_PREVIEW_PATIENCE_S": "5", "DATALAB_PREVIEW_INTERVAL_S": "1"}
    async with running_system(
        tmp_path / "night", runners=1, reach=Reach(api_port=free_port()), environ=environ
    ) as made:
        yield made


@pytest.fixture
async def bus(system):
    connected = Bus(settings=system.nats_settings, service="night", metrics=BusMetrics(create_registry()))
    await connected.connect()
    yield connected
    await connected.close()


@pytest.fixture
async def frames(system):
    documents = DocumentStore(system.mongo_settings)
    yield documents.database[COLLECTION]
    await documents.close()


async def test_a_night_comes_in_whole_whatever_is_killed(system, bus, frames):
    night = await asyncio.to_thread(made_night, EXPOSURES)
    expected = {base: expected_roles(files) for base, files in night.good.items()}
    listener = Listener()
    url = f"{system.api_url.replace('http', 'ws', 1)}/api/feed"
    async with (
        ObjectStore(system.s3_settings) as store,
        httpx.AsyncClient(base_url=system.api_url, timeout=20.0) as api,
        FeedClient(url, token=system.admin_token) as feed,
    ):
        await feed.subscribe(sites=[SITE])
        listening = asyncio.create_task(listener.listen(feed))
        sender = Sender(api=api, store=store, bus=bus)
        await send(night, sender, system.supervisor)
        assert min(sender.ways.values()) > len(night.order) / 3

        await heard_all(listener, expected, night)
        await nothing_left(bus, FILE_INGEST)
        await no_picture_lacking(frames)
        await nothing_left(bus, *PREVIEW_MAKERS.values(), PREVIEW_NOTES)
        listening.cancel()

        documents = {each["_id"]: each async for each in frames.find({})}
        assert_every_frame_right(documents, night, expected)
        await assert_told_once(bus, documents, listener)
        assert_every_refusal_read(listener, night)
        await assert_pictures_shown(api, system.admin_token, documents, night)


def expected_roles(files):
    """Return the roles of a frame with these good files: both pictures, whether they were sent or not."""
    return {*files, "jpg_10", "jpg_11"}


async def send(night, sender, supervisor):
    numbered = iter(enumerate(night.order))
    kills = {round(share * len(night.order)): name for share, name in KILLED.items()}

    async def one_after_the_other():
        for number, file in numbered:
            if number in kills:
                with contextlib.suppress(ProcessLookupError):
                    supervisor.kill(kills[number])
            # Told of by both, an empty file is refused by both: the form itself takes none.
            await sender.send(file, by_form=number % 2 == 0 and bool(file.content))

    async with asyncio.TaskGroup() as sending:
        for _ in range(AT_ONCE):
            sending.create_task(one_after_the_other())


async def heard_all(listener, expected, night):
    """Wait until the feed has told of every file."""
    damaged = {file.key for file in night.damaged}

    def unheard():
        lacking = {base: roles - listener.roles.get(base, set()) for base, roles in expected.items()}
        unsaid = dict.fromkeys(damaged - set(listener.refusals), "not refused")
        return {base: roles for base, roles in lacking.items() if roles} | unsaid

    try:
        await until(lambda: not unheard(), within_s=PATIENCE_S)
    except TimeoutError as error:
        raise AssertionError(f"never heard of: {unheard()}") from error


async def no_picture_lacking(frames):
    async def none_lacking():
        return await frames.count_documents({"preview": {"$ne": None}}) == 0

    await until(none_lacking, within_s=PATIENCE_S)


async def nothing_left(bus, *consumers):
    async def settled(consumer):
        info = await bus.jetstream.consumer_info(consumer.stream, consumer.name)
        return info.num_pending == 0 and info.num_ack_pending == 0

    for consumer in consumers:
        await until(partial(settled, consumer), within_s=PATIENCE_S)


def assert_every_frame_right(documents, night, expected):
    assert set(documents) == set(expected)
    assert len({each["frame_id"] for each in documents.values()}) == len(documents)
    for base, files in night.good.items():
        frame, header = documents[base], night.headers[base]
        assert set(frame["files"]) == expected[base]
        for role, file in files.items():
            stored = frame["files"][role]
            assert (stored["key"], stored["sha256"], stored["made_of"]) == (file.key, file.sha256, None)
        # Of the JPEG if there is one; else of the FITS file that was there when nobody waited for a JPEG any more.
        sources = ["jpg_10"] if "jpg_10" in files else [role for role in ("fits_10", "fits_00") if role in files]
        for role in {"jpg_10", "jpg_11"} - set(files):
            assert frame["files"][role]["made_of"] in {files[source].sha256 for source in sources}
        assert frame["preview"] is None
        assert frame["header_source"] == ("text" if "txt_00" in files else "fits")
        assert frame["exposure_time_s"] == header["EXPTIME"]
        assert frame["filter_name"] == header["FILTER"]
        assert frame["observation_date"].isoformat(timespec="milliseconds")[:23] == header["DATE-OBS"]
        assert frame["right_ascension_deg"] == pytest.approx(header["CRVAL1"], abs=0.1)


async def assert_told_once(bus, documents, listener):
    """Every file of every frame was news once: on the bus, and on the feed."""
    told = Counter()
    async for message in bus.replay(FRAMES, after=0, filter_subjects=("datalab.frame.ingested.v1.*",)):
        told[FrameIngested.decode(message.body).key] += 1
    sent = {file["key"] for each in documents.values() for file in each["files"].values() if file["made_of"] is None}
    assert {key: told[key] for key in sent} == dict.fromkeys(sent, 1)
    assert set(listener.event_ids.values()) == {1}


def assert_every_refusal_read(listener, night):
    damaged = {file.key: file.refusal for file in night.damaged}
    assert set(listener.refusals) == set(damaged)
    for key, words in damaged.items():
        assert all(words in reason and reason for reason in listener.refusals[key]), (words, listener.refusals[key])


async def assert_pictures_shown(api, token, documents, night):
    """Of every frame whose JPEG was damaged, and of some others, the links lead to pictures."""
    damaged = [file.base for file in night.damaged if file.role == "jpg_10"]
    for base in [*damaged, *sorted(documents)[:5]]:
        image = (await api.get(f"/image/{base}", headers={"Authorization": f"Token {token}"})).raise_for_status().json()
        assert (image["jpg_medium_exists"], image["jpg_small_exists"]) == (True, True)
        for link in (image["jpg_url"], image["jpg_thumbnail_url"]):
            picture = Image.open(BytesIO((await api.get(link)).raise_for_status().content))
            picture.load()
            assert picture.format == "JPEG"
            assert picture.height <= 128
