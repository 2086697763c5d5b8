"""The service on a real bus, document store and object store."""

import asyncio
import bz2
import hashlib
from itertools import permutations

import httpx
import pytest

from datalab.events.frames import FileRejected, FileUnchanged, FrameIngested
from datalab.events.topology import FILE_INGEST
from support.fits_files import header_text, packed_fits, plain_fits
from support.ingest_service import base_name, running, settings_for_tests, surroundings

JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture(scope="module")
async def settings(module_settings_environment, tmp_path_factory):
    return settings_for_tests(tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
async def observatory(settings):
    async with surroundings(settings) as around:
        yield around


@pytest.fixture(scope="module", autouse=True)
async def service(settings, observatory):
    async with running(settings) as app:
        yield app


async def test_an_announced_file_becomes_a_frame_everyone_hears_of(observatory):
    base = base_name()
    content = packed_fits()
    key = await observatory.upload(
        f"{base}-EX00.fits.fz", content, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    (event,) = await observatory.told(key, FrameIngested)
    frame = await observatory.frame(base, files=1)
    assert (event.frame_id, event.basename, event.roles) == (frame["frame_id"], base, ("fits_00",))
    assert (event.target_name, event.filter_name, event.exposure_time_s) == ("M 51", "rp", 12.5)
    assert (frame["site"], frame["data_type"], frame["header_source"]) == ("tst", "EX", "fits")
    assert frame["files"]["fits_00"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (frame["right_ascension_deg"], frame["declination_deg"]) == (202.47, 47.2)
    assert (frame["proposal_id"], frame["observation_day"]) == ("PTR2026-007", "2026-05-04")
    assert (await observatory.header(frame))["OBJECT"] == "M 51"
    assert len(frame["footprint"]) == 4
    entry = await observatory.database["upload_log"].find_one({"key": key})
    assert (entry["site"], entry["size_bytes"], entry["outcome"]) == ("tst", len(content), "ingested")


async def test_files_in_every_order_at_once_announced_twice_make_one_frame_each(observatory):
    contents = {"EX00.txt": header_text(OBJECT="by text"), "EX00.fits.fz": packed_fits(), "EX10.jpg": JPEG}
    bases = {base_name(): order for order in permutations(contents)}

    async def expose(base, order):
        keys = [await observatory.put(f"{base}-{ending}", contents[ending]) for ending in order]
        await asyncio.gather(*(tell(key) for key in keys for tell in (observatory.announce, observatory.notify)))

    await asyncio.gather(*(expose(base, order) for base, order in bases.items()))
    frames = [await observatory.frame(base, files=3) for base in bases]
    await observatory.all_settled(FILE_INGEST)
    assert len({frame["frame_id"] for frame in frames}) == len(frames)
    for frame in frames:
        assert sorted(frame["files"]) == ["fits_00", "jpg_10", "txt_00"]
        assert (frame["header_source"], frame["target_name"]) == ("text", "by text")
        for file in frame["files"].values():
            (event,) = await observatory.told(file["key"], FrameIngested)
            assert event.frame_id == frame["frame_id"]


async def test_a_repetition_publishes_nothing(observatory):
    base = base_name()
    key = await observatory.upload(f"{base}-EX10.jpg", JPEG)
    before = await observatory.frame(base, files=1)
    await observatory.put(f"{base}-EX10.jpg", JPEG)
    for _ in range(3):
        await observatory.announce(key)
    await observatory.notify(key)
    await observatory.all_settled(FILE_INGEST)
    assert len(await observatory.told(key, FrameIngested)) == 1
    assert (await observatory.frame(base, files=1))["frame_id"] == before["frame_id"]


async def test_a_notification_may_tell_of_several_objects_and_of_none(observatory):
    bases = [base_name(), base_name()]
    keys = [await observatory.put(f"{base}-EX10.jpg", JPEG) for base in bases]
    await observatory.notify(*keys)
    await observatory.send({"Event": "s3:TestEvent"}, subject="datalab.bucket.notification")
    await observatory.notify("data/M 51 (nobody knows whose).fits")
    for base in bases:
        await observatory.frame(base, files=1)


async def test_names_of_lco_and_of_anybody(observatory):
    lco = "tfn0m419-sq32-20260504-0061-e91"
    await observatory.upload(f"{lco}.fits.fz", packed_fits(), site="tfn")
    own = "M 51 by Ada"
    await observatory.upload(f"{own}.fits.bz2", bz2.compress(plain_fits()), site="mrc")
    frame = await observatory.frame(lco, files=1)
    assert (frame["site"], frame["reduction_level"], list(frame["files"])) == ("tfn", 91, ["fits"])
    frame = await observatory.frame(own, files=1)
    assert (frame["site"], frame["target_name"], frame["data_type"]) == ("mrc", "M 51", None)


async def test_a_header_with_odd_keywords_is_kept(observatory):
    base = base_name()
    odd = b"HIERARCH ESO.DET $x = 3".ljust(80) + b"HUGE    = 123456789012345678901234567890".ljust(80)
    await observatory.upload(f"{base}-EX00.txt", odd + header_text())
    frame = await observatory.frame(base, files=1)
    header = await observatory.header(frame)
    assert (header["ESO.DET $X"], header["OBJECT"]) == (3, "M 51")


@pytest.mark.parametrize(
    ("ending", "content", "reason"),
    [
        ("EX00.fits.fz", packed_fits()[:9000], "HDU 1 (SCI) declares"),
        ("EX00.fits", b"\x89PNG", "not a FITS file"),
        ("EX00.fits.bz2", bz2.compress(plain_fits())[:-20], "cut short"),
        ("EX10.jpg", b"", "is empty"),
        ("EX00.txt", b"no header at all", "no header cards"),
        ("EX0.txt", b"x", "type and level are 'EX0'"),
    ],
)
async def test_a_bad_file_is_rejected_with_the_reason_and_the_next_one_is_ingested(
    observatory, ending, content, reason
):
    base = base_name()
    key = await observatory.upload(f"{base}-{ending}", content)
    (event,) = await observatory.told(key, FileRejected)
    assert reason in event.reason
    assert event.site == "tst"
    why, subject = await observatory.dead_letter(key)
    assert reason in why
    assert subject == "observatory.tst.image.new"
    good = base_name()
    await observatory.upload(f"{good}-EX10.jpg", JPEG)
    await observatory.frame(good, files=1)


@pytest.mark.parametrize(
    ("message", "subject", "reason"),
    [
        (b"not JSON 1", "observatory.tst.image.new", "unreadable: Invalid JSON"),
        ({"temperature_c": 4.75}, "observatory.tst.image.new", "unreadable: Field required"),
        ({"site": "mrc", "key": "data/foreign-1"}, "observatory.tst.image.new", "announces a file of site 'mrc'"),
        ({"Records": "none-1"}, "datalab.bucket.notification", "unreadable:"),
        ({"marker": "no-records-2"}, "datalab.bucket.notification", "without Records"),
    ],
)
async def test_a_message_that_is_not_ours_is_kept_with_the_reason(observatory, message, subject, reason):
    await observatory.send(message, subject=subject)
    body = message.decode() if isinstance(message, bytes) else str(next(iter(message.values())))
    why, where = await observatory.dead_letter(body)
    assert reason in why
    assert where == subject


async def test_a_file_announced_again_is_told_to_change_nothing(observatory):
    base = base_name()
    key = await observatory.upload(f"{base}-EX10.jpg", JPEG)
    await observatory.told(key, FrameIngested)
    await observatory.announce(key)
    (event,) = await observatory.told(key, FileUnchanged)
    assert (event.site, event.reason) == ("tst", "its frame has this file already")


async def test_a_message_that_is_no_announcement_is_told_to_its_site(observatory):
    await observatory.send({"site": "tst", "key": "data/half-said.fits", "size_bytes": -1})
    (event,) = await observatory.told("data/half-said.fits", FileRejected)
    assert event.site == "tst"
    assert event.reason == "not an announcement: Input should be greater than or equal to 0 (at size_bytes)"


async def test_an_observatory_cannot_announce_the_frames_of_another(observatory):
    base = base_name(site="mrc")
    key = await observatory.upload(f"{base}-EX10.jpg", JPEG, site="tst")
    (event,) = await observatory.told(key, FileRejected)
    assert "says site 'mrc', it was announced by 'tst'" in event.reason
    await observatory.announce(key, site="mrc")
    assert (await observatory.frame(base, files=1))["site"] == "mrc"


async def test_health_and_metrics_are_served(service, observatory):
    base = base_name()
    await observatory.upload(f"{base}-EX10.jpg", JPEG)
    await observatory.frame(base, files=1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://ingest") as client:
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.json() == {"status": "ready", "dependencies": dict.fromkeys(("bus", "documents", "objects"), "ok")}
        metrics = (await client.get("/metrics")).text
    assert 'datalab_ingest_files_total{origin="observatory",outcome="ingested"}' in metrics
