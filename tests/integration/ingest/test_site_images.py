"""Info images and all-sky images on real servers."""

import asyncio
import random
from datetime import timedelta

import pytest

from datalab.documents.upload_ticket import UploadTicket
from datalab.events.envelope import new_id, utc_now
from datalab.events.frames import FileRejected, FileStored, FileUnchanged, FrameIngested
from datalab.events.site_images import AllskyImageIngested, InfoImageIngested
from datalab.events.topology import FILE_INGEST
from ingest.arrivals.announcements import arrival_of
from support.fits_files import header_text, packed_fits, plain_fits
from support.ingest_service import arrivals, base_name, running, settings_for_tests, surroundings
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture(scope="module")
async def settings(module_settings_environment, tmp_path_factory):
    return settings_for_tests(tmp_path_factory.mktemp("scratch"), ingest_concurrency=20)


@pytest.fixture(scope="module")
async def observatory(settings):
    async with surroundings(settings) as around:
        yield around


@pytest.fixture(scope="module", autouse=True)
async def service(settings, observatory):
    async with running(settings) as app:
        yield app


async def ticket(observatory, key, *, channel, asked_at):
    document = UploadTicket(
        ticket_id=new_id(),
        key=key,
        site="tst",
        channel=channel,
        max_bytes=1,
        asked_at=asked_at,
        expires_at=asked_at,
        kept_until=asked_at + timedelta(days=3),
    )
    await observatory.database["upload_tickets"].insert_one(document.stored())


async def shown(observatory, place, basename, *, files):
    async def complete():
        document = await observatory.database["info_images"].find_one({"_id": place})
        fits = document and document["basename"] == basename and len(document["files"]) == files
        return document if fits else None

    return await until(complete)


async def entry_of(observatory, key):
    return await until(lambda: observatory.database["upload_log"].find_one({"key": key}))


async def test_twenty_duplicates_out_of_order_at_once_make_one_right_info_image(observatory):
    old, new = base_name("abc"), base_name("abc")
    contents = {"EX10.jpg": JPEG, "EX00.txt": header_text(OBJECT="by text"), "EX10.fits": plain_fits()}
    now = utc_now()
    keys = []
    for number, base in enumerate((old, new)):
        for ending, content in contents.items():
            key = await observatory.put(f"{base}-{ending}", content, folder="info-images")
            # The text of the older image is asked for after the newer one: it belongs to the older one all the same.
            late = number == 0 and ending == "EX00.txt"
            await ticket(observatory, key, channel=2, asked_at=now + timedelta(seconds=9 if late else number))
            keys.append(key)
    told = keys * 3 + keys[:2]
    random.Random(5).shuffle(told)
    assert len(told) == 20
    await asyncio.gather(*(observatory.notify(key) for key in told))
    document = await shown(observatory, "abc#2", new, files=3)
    await observatory.all_settled(FILE_INGEST)
    document = await observatory.database["info_images"].find_one({"_id": "abc#2"})
    assert (document["basename"], sorted(document["files"])) == (new, ["fits_10", "jpg_10", "txt_00"])
    assert document["header"]["OBJECT"] == "by text"
    assert {image["basename"]: sorted(image["files"]) for image in document["images"]} == {
        old: ["fits_10", "jpg_10", "txt_00"],
        new: ["fits_10", "jpg_10", "txt_00"],
    }

    async def relayed():
        return (await observatory.database["info_images"].find_one({"_id": "abc#2"}))["outbox"] == []

    await until(relayed)
    events = [event for event in await observatory.all_told(InfoImageIngested) if event.site == "abc"]
    assert (events[-1].channel, events[-1].basename) == (2, new)
    assert events[-1].roles == ("fits_10", "jpg_10", "txt_00")
    assert len(events) == len({event.event_id for event in events}) <= len(keys)
    assert await observatory.all_told(FileRejected) == []
    entries = await observatory.database["upload_log"].find({"site": "abc"}).to_list(None)
    assert {entry["key"] for entry in entries} == set(keys)


async def test_twenty_duplicates_out_of_order_at_once_make_one_right_frame(observatory):
    base = base_name()
    contents = {"EX00.txt": header_text(OBJECT="by text"), "EX00.fits.fz": packed_fits(), "EX10.jpg": JPEG}
    keys = [await observatory.put(f"{base}-{ending}", content) for ending, content in contents.items()]
    told = keys * 6 + keys[:2]
    random.Random(6).shuffle(told)
    assert len(told) == 20
    await asyncio.gather(
        *((observatory.announce if number % 2 else observatory.notify)(key) for number, key in enumerate(told))
    )
    await observatory.frame(base, files=3)
    await observatory.all_settled(FILE_INGEST)
    (frame,) = await observatory.database["frames"].find({"_id": base}).to_list(None)
    assert (sorted(frame["files"]), frame["target_name"]) == (["fits_00", "jpg_10", "txt_00"], "by text")
    for key in keys:
        (event,) = await observatory.told(key, FrameIngested)
        assert event.frame_id == frame["frame_id"]


async def test_a_second_image_replaces_and_the_first_of_two_channels_stays(observatory):
    bases = [base_name(), base_name(), base_name()]
    for base, channel in zip(bases, (1, 3, 3), strict=True):
        key = await observatory.put(f"{base}-EX10.jpg", JPEG, folder="info-images")
        await observatory.announce(key, channel=channel)
        await shown(observatory, f"tst#{channel}", base, files=1)
        (event,) = await observatory.told(key, InfoImageIngested)
        assert (event.site, event.channel, event.basename, event.roles) == ("tst", channel, base, ("jpg_10",))
        entry = await entry_of(observatory, key)
        assert (entry["site"], entry["outcome"]) == ("tst", "ingested")
    assert (await observatory.database["info_images"].find_one({"_id": "tst#1"}))["basename"] == bases[0]
    await observatory.announce(key, channel=3, occurred_at=utc_now() - timedelta(hours=1))
    (again,) = await observatory.told(key, FileUnchanged)
    assert again.reason == "its image has this file already"


async def test_what_nobody_said_a_channel_for_is_refused_in_words(observatory):
    base = base_name()
    key = await observatory.put(f"{base}-EX10.jpg", JPEG, folder="info-images")
    await observatory.announce(key)
    (event,) = await observatory.told(key, FileRejected)
    assert event.site == "tst"
    assert event.reason.startswith("nobody has said on which channel the info image is to be shown")
    entry = await entry_of(observatory, key)
    assert (entry["outcome"], entry["reason"]) == ("rejected", event.reason)
    await observatory.announce(key, channel=1)
    await shown(observatory, "tst#1", base, files=1)


async def test_an_allsky_image_is_there_with_its_event(observatory):
    base = base_name("sky")
    keys = [
        await observatory.put(f"{base}-EX10.jpg", JPEG, folder="allsky"),
        await observatory.put(f"{base}-EX00.txt", header_text(), folder="allsky"),
    ]
    await asyncio.gather(*(observatory.notify(key) for key in keys * 10))

    async def complete():
        image = await observatory.database["allsky_images"].find_one({"_id": base})
        return image if image and len(image["files"]) == 2 else None

    image = await until(complete)
    await observatory.all_settled(FILE_INGEST)
    assert (image["site"], image["has_picture"], image["header"]["OBJECT"]) == ("sky", True, "M 51")
    for key in keys:
        (event,) = await observatory.told(key, AllskyImageIngested)
        assert (event.site, event.basename) == ("sky", base)
        assert (await entry_of(observatory, key))["outcome"] == "ingested"


@pytest.mark.parametrize(
    ("folder", "name", "outcome", "reason"),
    [
        ("data", "tst-object_from_unit_test.txt", "rejected", "is neither"),
        ("data", "object_from_unit_test.txt", "rejected", "is neither"),
        ("data", "tst-2026-night.token", "ignored", "belongs to no frame"),
        ("allsky", "nobodys.jpg", "rejected", "nor {site}-"),
    ],
)
async def test_a_name_that_is_none_is_in_the_log_with_the_reason(observatory, folder, name, outcome, reason):
    key = await observatory.put(name, b"x", folder=folder)
    await observatory.notify(key)
    entry = await entry_of(observatory, key)
    assert entry["outcome"] == outcome
    assert reason in entry["reason"]
    assert entry["site"] == ("tst" if name.startswith("tst-") else "unknown")


async def test_the_reconciler_finds_images_nobody_told_of(settings, observatory, tmp_path):
    base = base_name("rec")
    info = await observatory.put(f"{base}-EX10.jpg", JPEG, folder="info-images")
    late = await observatory.put(f"{base}-EX11.jpg", JPEG, folder="info-images")
    await ticket(observatory, info, channel=1, asked_at=utc_now())
    sky = await observatory.put("rec-sky.jpg", JPEG, folder="allsky")
    async with arrivals(settings.model_copy(update={"scratch_dir": tmp_path / "own"})) as here:
        assert (await here.reconciler.reconcile()).ingested == 2
        await shown(observatory, "rec#1", base, files=1)
        assert (await entry_of(observatory, sky))["outcome"] == "ingested"
        assert await observatory.database["upload_log"].find_one({"key": late}) is None  # its site may still say where
        await here.ingestion.ingest(arrival_of(FileStored(site="rec", key=late, channel=1)))
        assert (await here.reconciler.reconcile()).found == 0
