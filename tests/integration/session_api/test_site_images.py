"""What observatories send beside frames, from the form to what is shown: both services together."""

import json

import pytest
from urllib3.filepost import encode_multipart_formdata

from datalab.events.site_images import InfoImageIngested
from datalab.events.topology import FRAMES
from support.fits_files import header_text
from support.ingest_service import base_name, running, settings_for_tests
from support.session_api import body_of, running_world
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    async with (
        running_world(module_settings_environment, open_upload_sites=["*"]) as world,
        running(settings_for_tests(tmp_path_factory.mktemp("scratch"), http_port=0)),
    ):
        yield world


@pytest.fixture(scope="module")
async def anybody(world):
    async with world.client() as client:
        yield client


async def offered(client, name, folder, **more):
    """Ask as observatories do: without a Content-Type."""
    body = json.dumps({"object_name": name, "s3_directory": folder, **more})
    reply = await client.post("/api//upload/", content=body)
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def send(client, offer, content):
    parts = [*offer["fields"].items(), ("file", ("C:\\night\\x", content))]
    body, content_type = encode_multipart_formdata(parts)
    reply = await client.post(offer["url"], content=body, headers={"Content-Type": content_type})
    assert (reply.status_code, reply.content) == (204, b"")


async def upload(client, name, content, folder, **more):
    await send(client, await offered(client, name, folder, **more), content)


async def shown(client, path, basename):
    async def found():
        reply = await client.get(path)
        return reply.status_code == 200 and reply.json()["base_filename"] == basename and reply.json()

    return await until(found)


async def test_an_info_image_is_on_its_channel_and_the_next_one_replaces_it(world, anybody):
    first, second = base_name("inf"), base_name("inf")
    assert (await anybody.get("/infoimage/inf/2")).status_code == 204
    await upload(anybody, f"{first}-EX10.jpg", JPEG, "info-images", info_channel=2)
    package = await shown(anybody, "/infoimage/inf/2", first)
    assert (package["channel"], package["jpg_medium_exists"]) == ("2", True)
    assert (await anybody.get("/infoimage/inf/1")).status_code == 204
    await upload(anybody, f"{second}-EX10.jpg", JPEG, "info-images", info_channel="2")
    await upload(anybody, f"{second}-EX00.txt", header_text(), "info-images", info_channel=2)

    async def with_header():
        package = (await anybody.get("/infoimage/inf/2")).json()
        return package["base_filename"] == second and "header" in package and package

    package = await until(with_header)
    assert (package["header"]["OBJECT"], package["header"]["EXPTIME"]) == ("M 51", "12.5")
    messages = world.bus.replay(FRAMES, after=0, filter_subjects=("datalab.info-image.ingested.v1.inf",))
    told = [InfoImageIngested.decode(message.body) async for message in messages]
    assert [(event.channel, event.basename) for event in told] == [(2, first), (2, second), (2, second)]


async def test_the_image_that_was_asked_for_last_is_shown_though_it_comes_first(world, anybody):
    old, new, elsewhere = base_name("lat"), base_name("lat"), base_name("lat")
    offers = [
        await offered(anybody, f"{base}-EX10.jpg", "info-images", info_channel=channel)
        for base, channel in ((old, 1), (elsewhere, 3), (new, 1))
    ]
    for offer in reversed(offers):
        await send(anybody, offer, JPEG)

    async def settled():
        entries = await world.database["upload_log"].find({"site": "lat"}).to_list(None)
        return {entry["key"]: (entry["outcome"], entry["reason"]) for entry in entries} if len(entries) == 3 else None

    outcomes = await until(settled)
    assert outcomes[f"info-images/{old}-EX10.jpg"] == (
        "ignored",
        f"channel 1 shows {new}, which was asked for later",
    )
    await shown(anybody, "/infoimage/lat/1", new)
    await shown(anybody, "/infoimage/lat/3", elsewhere)
    recent = (await anybody.get("/recentuploads?site=lat")).json()
    assert {entry["filename"] for entry in recent} == {f"info-images/{base}-EX10.jpg" for base in (new, elsewhere)}


async def test_the_sky_over_a_site_is_the_latest_whatever_it_is_called(anybody):
    await upload(anybody, "sky-allsky.jpg", JPEG, "allsky")
    await shown(anybody, "/allskyimage/sky", "sky-allsky")
    base = base_name("sky")
    await upload(anybody, f"{base}-EX10.jpg", JPEG + b"2", "allsky")
    package = await shown(anybody, "/dev/allskyimage/sky/", base)
    assert package["jpg_10_file_path"] == f"allsky/{base}-EX10.jpg"


@pytest.mark.parametrize(
    ("name", "outcome", "reason"),
    [
        ("object_from_unit_test.txt", "rejected", "the file name 'object_from_unit_test.txt' is neither"),
        ("odd-object_from_unit_test.txt", "rejected", "is neither"),
        ("odd-2026-11-29.token", "ignored", "a file of this name or folder belongs to no frame"),
    ],
)
async def test_any_name_is_taken_and_the_log_says_what_came_of_it(world, anybody, name, outcome, reason):
    await upload(anybody, name, b"x", "data")
    entry = await until(lambda: world.database["upload_log"].find_one({"key": f"data/{name}"}))
    assert entry["outcome"] == outcome
    assert reason in entry["reason"]


async def test_a_trial_is_taken_and_nothing_is_made_of_it(world, anybody):
    await upload(anybody, "tst-inst-20211231-00000001-EX10.jpg", JPEG, "test")
    await upload(anybody, "sky-after.jpg", JPEG, "allsky")
    await until(lambda: world.database["upload_log"].find_one({"key": "allsky/sky-after.jpg"}))
    assert await world.database["upload_log"].find_one({"key": {"$regex": "^test/"}}) is None
    assert await world.database["frames"].count_documents({}) == 0
    for path in ("/allskyimage/tst", *(f"/infoimage/tst/{channel}" for channel in (1, 2, 3))):
        assert (await anybody.get(path)).status_code == 204
