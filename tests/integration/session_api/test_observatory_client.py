"""What an observatory's software does today, byte for byte, from its request to the frame in the archive."""

import asyncio
import json
from itertools import count

import pytest

from support.fits_files import header_text, packed_fits
from support.ingest_service import running, settings_for_tests
from support.observatory_client import ObservatoryClient
from support.session_api import running_world
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 picture"
_counter = count(1)


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    async with (
        running_world(module_settings_environment, open_upload_sites=["*"]) as world,
        running(settings_for_tests(tmp_path_factory.mktemp("scratch"), http_port=0)),
    ):
        yield world


@pytest.fixture
def client(world):
    return ObservatoryClient(world)


@pytest.fixture
def base():
    return f"tst-cam01-20261129-{next(_counter):08d}"


async def frame_of(world, base, *roles):
    async def complete():
        frame = await world.database["frames"].find_one({"_id": base})
        return frame if frame and sorted(frame["files"]) == sorted(roles) else None

    return await until(complete)


@pytest.mark.parametrize("order", ["EX00.txt EX10.jpg", "EX10.jpg EX00.txt", "EX10.jpg EX00.txt EX10.jpg EX00.txt"])
async def test_header_and_picture_in_any_order_make_one_frame(world, client, base, order):
    contents = {"EX00.txt": header_text(OBJECT="M 51"), "EX10.jpg": JPEG}
    for ending in order.split():
        assert await client.send(f"{base}-{ending}", contents[ending]) == b""
        assert client.reply.status == 204
    frame = await frame_of(world, base, "txt_00", "jpg_10")
    assert (frame["site"], frame["target_name"], frame["header_source"]) == ("tst", "M 51", "text")


async def test_files_sent_at_once_and_twice_make_one_frame(world, client, base):
    contents = {"EX00.txt": header_text(OBJECT="M 51"), "EX10.jpg": JPEG, "EX10.fits.fz": packed_fits()}
    sent = [(f"{base}-{ending}", content) for ending, content in contents.items()]
    await asyncio.gather(*(ObservatoryClient(world).send(*each) for each in sent * 2))
    frame = await frame_of(world, base, "txt_00", "jpg_10", "fits_10")
    assert frame["target_name"] == "M 51"
    assert await world.database["frames"].count_documents({"_id": base}) == 1


async def test_a_header_in_the_request_makes_the_text_unnecessary(world, client, base):
    header = {"OBJECT": "NGC 1", "EXPTIME": 12.5, "DATE-OBS": "2026-11-29T01:02:03.456", "FILTER": "rp"}
    await client.send(f"{base}-EX10.jpg", JPEG, header_data=header)
    frame = await frame_of(world, base, "txt_00", "jpg_10")
    assert (frame["target_name"], frame["exposure_time_s"], frame["filter_name"]) == ("NGC 1", 12.5, "rp")


async def test_a_refusal_is_no_json_so_that_the_client_drops_the_file(client, base):
    with pytest.raises(json.JSONDecodeError):
        await client.send(f"{base}-EX10.jpg", JPEG, s3_directory="info-images", info_channel=4)
    assert (client.reply.status, client.reply.getheader("Content-Type")) == (403, "application/json")
