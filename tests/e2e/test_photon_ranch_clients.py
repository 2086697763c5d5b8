"""Observatory, scripts and user interface of Photon Ranch, unchanged, from start-up to downloads.

Each step is what one of these programs does; they share one running system, and nothing else.
"""

import asyncio
import bz2
import io
import itertools
import json
import time
import zipfile
from datetime import datetime
from urllib.parse import urlencode

import numpy as np
import pytest
import requests
from astropy.io import fits
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from support.fits_files import pixels
from support.photon_ranch import Observatory, Script, exposure, jpeg, listening
from support.skies import DAY_S, NIGHTS, TOLERANCE_S
from support.waiting import until

CONFIG = {
    "site": "tst",
    "name": "Test observatory",
    "wema_name": "tst",
    "instance_type": "obs",
    "latitude": 31.33,
    "longitude": -100.46,
    "elevation": 640,
    "TZ_database_name": "America/Chicago",
    "events": {"Sun Set": 46354.0621, "day_directory": "20261129", "use_by": 46355.2},
    "camera_size_x": 4096,
}
ADMIN_TOKEN = "the-operators-own-token"
TODAY = time.strftime("%Y%m%d", time.gmtime())
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
async def server(tmp_path_factory):
    """Where the API of a whole Datalab is, which shows what is sent to it to everybody."""
    async with running_system(
        tmp_path_factory.mktemp("photon-ranch"),
        reach=Reach(api_port=free_port()),
        environ={"DATALAB_OPEN_SITES": '["*"]', "DATALAB_ADMIN_TOKEN": ADMIN_TOKEN},
    ) as system:
        yield system.api_url


@pytest.fixture
def observatory(server):
    return Observatory(server)


@pytest.fixture
def base():
    return f"tst-cam01-{TODAY}-{next(_numbers):08d}"


async def get(server, path):
    return await asyncio.to_thread(requests.get, f"{server}{path}", timeout=30)


async def content_of(link):
    reply = await asyncio.to_thread(requests.get, link, timeout=60)
    assert reply.status_code == 200, reply.text
    return reply.content


async def post(server, path, body):
    """Post as the user interface does."""
    return await asyncio.to_thread(requests.post, f"{server}{path}", json=body, timeout=30)


async def sent(observatory, base, letters, data_type="EX"):
    for name, content in exposure(base, letters, data_type):
        answer = await asyncio.to_thread(observatory.upload, name, content)
        assert "204" in repr(answer)


async def package_with(server, base, field):
    """Return the image package once it has something there."""

    async def complete():
        reply = await get(server, f"/api/image/{base}")
        return reply.json() if reply.status_code == 200 and reply.json()[field] else None

    return await until(complete)


# --- 1 ----------------------------------------------------------------------------------------------------------


async def test_1_the_configuration_is_stored_at_start_up_and_read_by_all(server, observatory):
    said = await asyncio.to_thread(observatory.put_config, "tst", CONFIG)
    assert said == "Config uploaded successfully."
    read = await asyncio.to_thread(observatory.request, "GET", "tst/config/", timeout=20)
    assert read == {"site": "tst", "configuration": CONFIG}
    assert read["configuration"]["events"]["day_directory"] == "20261129"
    assert (await get(server, "/api/all/config")).json()["tst"] == CONFIG
    # A weather station that has said nothing yet: the observatory then falls back on what it knows of the place.
    assert "configuration" not in await asyncio.to_thread(observatory.request, "GET", "mrc/config/", timeout=20)


async def test_1_nothing_makes_the_start_up_wait_for_ever_or_end(server, observatory):
    await asyncio.to_thread(observatory.put_config, "tst", CONFIG)
    for wrong in ([], None, "nonsense"):
        said = await asyncio.to_thread(observatory.put_config, "tst", wrong)
        assert said.startswith("warning: ")
    read = await asyncio.to_thread(observatory.request, "GET", "tst/config/")
    assert read["configuration"] == CONFIG


# --- 2 ----------------------------------------------------------------------------------------------------------


async def test_2_the_datastreamer_needs_a_site_and_changes_it_on_request(server, observatory, base):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{server.replace('http', 'ws', 1)}/dev", proxy=None):
            pass
    assert refused.value.response.status_code == 400
    async with listening(server, "mrc2") as listener, listening(server, "tst") as other:
        await sent(observatory, base, "hj")
        await other.heard(base)
        assert listener.frames == []
        await listener.choose("tst")

        # The request is not answered: it holds when something is heard.
        async def heard_after_the_change():
            number = f"tst-cam01-{TODAY}-{next(_numbers):08d}"
            await sent(observatory, number, "hj")
            await other.heard(number)
            return listener.frames

        await until(heard_after_the_change)
    assert all(frame["site"] == "tst" for frame in listener.frames)


# --- 3 ----------------------------------------------------------------------------------------------------------


async def test_3_header_then_picture_are_seen_as_they_come(server, observatory, base):
    async with listening(server, "tst") as listener:
        await sent(observatory, base, "h")
        reply = await get(server, f"/api/image/{base}")
        assert (reply.status_code, reply.text) == (404, f"No results found for {base}")
        await until(lambda: _header_is_there(server, base))
        assert listener.about(base) == []

        await sent(observatory, base, "j")
        data = (await listener.heard(base))[0]
        assert data == {"s3_directory": "data", "base_filename": base, "site": "tst"}
        assert {"site": "tst", "topic": "imagedata", "data": data} in listener.frames
        package = (await get(server, f"/api/image/{base}")).json()
    assert isinstance(package["image_id"], int)
    assert (package["base_filename"], package["site"], package["data_type"]) == (base, "tst", "EX")
    assert (package["filter_used"], package["exposure_time"], package["jpg_medium_exists"]) == ("rp", 12.5, True)
    assert (package["fits_01_exists"], package["fits_10_exists"]) == (None, None)
    assert abs(package["capture_date"] / 1000 - time.time()) < 600
    assert await content_of(package["jpg_url"]) == jpeg(900)
    header = (await get(server, f"/api/fitsheader/{base}/")).json()
    assert (header["OBJECT"], header["EXPTIME"], header["END"]) == ("M 51", "12.5", "")
    assert (await get(server, "/api/tst/latest_images/1")).json()[0]["base_filename"] == base
    uploads = (await get(server, "/api/recentuploads?site=tst")).json()
    assert {f"data/{base}-EX00.txt", f"data/{base}-EX10.jpg"} <= {upload["filename"] for upload in uploads}
    assert (await get(server, "/api/latest_image_all_sites")).json()["tst"].startswith("http")


async def _header_is_there(server, base):
    return (await get(server, f"/api/fitsheader/{base}/")).status_code == 200


async def test_3_a_thumbnail_appears_and_is_told_of_once(server, observatory, base):
    async with listening(server, "tst") as listener:
        await sent(observatory, base, "hj")
        package = await package_with(server, base, "jpg_thumbnail_url")
        await listener.heard(base, times=2)
        thumbnail = Image.open(io.BytesIO(await content_of(package["jpg_thumbnail_url"])))
        assert thumbnail.size == (128, 128)
        following = f"tst-cam01-{TODAY}-{next(_numbers):08d}"
        await sent(observatory, following, "hj")
        await listener.heard(following, times=2)
        assert len(listener.about(base)) == 2


# --- 4 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["jh", "hj jh", "jhjhjh"])
async def test_4_in_any_order_at_once_and_repeated_it_is_one_image(server, observatory, base, order):
    async with listening(server, "tst") as listener:
        if " " in order:
            files = list(exposure(base, "hj", "EX"))
            await asyncio.gather(*(asyncio.to_thread(Observatory(server).upload, *each) for each in files * 2))
        else:
            for letter in order:
                await sent(observatory, base, letter)
        await listener.heard(base)
    package = (await get(server, f"/api/image/{base}")).json()
    assert (package["filter_used"], package["jpg_medium_exists"]) == ("rp", True)
    found = (await get(server, f"/api/filtered_images?site=tst&filename={base}")).json()
    assert [image["base_filename"] for image in found] == [base]


async def test_4_the_nightly_token_is_sent_again_with_the_same_form(observatory):
    answer = await asyncio.to_thread(observatory.upload, f"tst-{TODAY}.token", b"done", posts=3)
    assert "204" in repr(answer)


# --- 5 ----------------------------------------------------------------------------------------------------------


async def test_5_an_info_image_is_shown_on_its_channel_and_replaced_by_the_next(server, observatory):
    first, second = (f"inf-inst-{TODAY}-{next(_numbers):08d}" for _ in range(2))
    assert (await get(server, "/api/infoimage/inf/2")).status_code == 204
    async with listening(server, "inf") as listener:
        for base in (first, second):
            await asyncio.to_thread(observatory.upload, f"{base}-EX10.jpg", jpeg(900), info_channel=2)
            assert await listener.heard(base) == [
                {"s3_directory": "info-images", "base_filename": base, "site": "inf", "channel": 2}
            ]
            package = (await get(server, "/api/infoimage/inf/2")).json()
            assert (package["pk"], package["base_filename"], package["channel"]) == ("inf#2", base, "2")
            assert package["jpg_10_file_path"] == f"info-images/{base}-EX10.jpg"
            assert await content_of(package["jpg_url"]) == jpeg(900)
    for channel in (1, 3):
        assert (await get(server, f"/api/infoimage/inf/{channel}")).status_code == 204
    assert (await get(server, f"/api/image/{first}")).status_code == 404


async def test_5_a_channel_there_is_not_is_refused_in_words_that_make_the_observatory_drop_the_file(observatory):
    with pytest.raises(requests.exceptions.JSONDecodeError):
        await asyncio.to_thread(observatory.upload, f"tst-inst-{TODAY}-00000001-EX10.jpg", b"x", info_channel=4)
    assert observatory.reply.status_code == 403
    assert observatory.reply.text == "Value for info_channel must be either 1, 2, or 3. Received 4 instead."


# --- 6 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def with_fits(server, observatory, base):
    """The base name of an image with a small and a large FITS file."""
    await sent(observatory, base, "hjfF")
    for flag in ("fits_10_exists", "fits_01_exists"):
        await package_with(server, base, flag)
    return base


async def downloaded(server, **body):
    """Return what a download leads to; the answer is nothing but its address."""
    reply = await post(server, "/api/download", body)
    assert reply.status_code == 200, reply.text
    assert reply.text.startswith("http"), "the address alone, without quotes"
    return await content_of(reply.text)


async def test_6_a_file_is_fetched_as_fits_tiff_or_as_it_is(server, with_fits):
    name = f"{with_fits}-EX10.fits.fz"
    for asked in ({}, {"image_type": "fits", "s3_directory": "data"}):
        with fits.open(io.BytesIO(await downloaded(server, object_name=name, **asked))) as hdus:
            assert len(hdus) == 1
            np.testing.assert_array_equal(hdus[0].data, pixels())
    linear, stretched = [
        Image.open(
            io.BytesIO(bz2.decompress(await downloaded(server, object_name=name, image_type="tif", stretch=how)))
        )
        for how in ("linear", "arcsinh")
    ]
    np.testing.assert_array_equal(np.asarray(linear), pixels())
    assert np.asarray(stretched).dtype == np.uint16
    assert np.asarray(stretched).max() == 65535
    (content,) = [content for sent_name, content in exposure(with_fits, "f", "EX") if sent_name == name]
    raw = await downloaded(server, object_name=name, image_type="whatever")
    assert len(raw) == len(content)
    reply = await post(server, "/api/download", {"object_name": name, "s3_directory": "secrets"})
    assert (reply.status_code, reply.text) == (403, "s3_directory must be either 'data', 'info-images', or 'allsky'.")


@pytest.mark.parametrize(("size", "level"), [("small", "10"), ("large", "00"), ("best", "00")])
async def test_6_images_of_a_time_are_fetched_together(server, with_fits, size, level):
    taken_s = (await get(server, f"/api/image/{with_fits}")).json()["capture_date"] // 1000
    body = {"start_timestamp_s": taken_s, "end_timestamp_s": taken_s + 1, "fits_size": size, "site": "tst"}
    reply = await post(server, "/api/downloadzip", body)
    assert reply.status_code == 200, reply.text
    with zipfile.ZipFile(io.BytesIO(await content_of(reply.json()["message"]))) as archive:
        names = [name.rsplit("/")[-1] for name in archive.namelist()]
        assert archive.testzip() is None
    assert f"{with_fits}-EX{level}.fits.fz" in names


async def test_6_where_there_are_no_images_it_says_so(server):
    body = {"start_timestamp_s": 0, "end_timestamp_s": 1, "fits_size": "best", "site": "tst"}
    reply = await post(server, "/api/downloadzip", body)
    assert (reply.status_code, reply.text) == (404, "No images exist for the given query.")


# --- 7 ----------------------------------------------------------------------------------------------------------


async def test_7_a_note_is_written_by_staff_and_read_by_all(server):
    url = f"{server}/api/nightlog/tst"
    note = {"site": "tst", "username": "Ada", "userid": "auth0|1", "message": "Cloudy", "ttl_hours": "48"}
    body = {"note_data": {**note, "selected_image": {"base_filename": "tst-1", "header": {}}}}
    staff = {"Authorization": f"Token {ADMIN_TOKEN}", "Content-Type": "application/json;charset=UTF-8"}

    async def call(method, **options):
        return await asyncio.to_thread(requests.request, method, url, timeout=30, **options)

    assert (await call("GET")).status_code == 204
    refused = await call("POST", json=body)
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})
    written = await call("POST", data=json.dumps(body), headers=staff)
    assert (written.status_code, written.text) == (200, "Note created successfully")
    read = (await call("GET")).json()
    assert read["note_data"] == body["note_data"]
    assert read["ttl_timestamp_seconds"] - read["created_timestamp"] == 48 * 3600
    assert (await call("DELETE", headers=staff)).status_code == 204
    assert (await call("GET")).status_code == 204


# --- the neighbours ---------------------------------------------------------------------------------------------


async def test_how_a_site_is_and_what_it_says_is_seen_as_the_user_interface_does(server, observatory):
    roof = {"enclosure": {"enclosure1": {"shutter_status": "Open", "dome_azimuth": 12.5, "enclosure_message": ""}}}
    weather = {"observing_conditions": {"observing_conditions1": {"wx_ok": "Yes", "temperature_C": float("nan")}}}
    async with listening(server, "tst") as listener:
        for kind, status in (("enclosure", roof), ("weather", weather), ("device", {"mount": {"m1": {"ra": 1.5}}})):
            await asyncio.to_thread(observatory.send_status, "tst", kind, status)
            assert observatory.reply.json()["ResponseMetadata"]["HTTPStatusCode"] == 200
        await asyncio.to_thread(observatory.send_to_user, "tst", "Opening the roof")
        assert observatory.reply.status_code == 200
        phase = json.dumps({"site": "tst", "message": "Sky flats"})
        await asyncio.to_thread(requests.post, f"{server}/status/phase_status", data=phase, timeout=30)
        await until(lambda: listener.topic("userstatus") and listener.topic("phase_status"))
        await until(lambda: {each["statusType"] for each in listener.topic("sitestatus")} >= {"enclosure", "device"})
    said = listener.topic("userstatus")[-1]
    assert (said["message"], said["log_level"], said["timestamp"].isdigit()) == ("Opening the roof", "INFO", True)
    values = await asyncio.to_thread(observatory.enclosure, "tst")
    assert values == {"shutter_status": "Open", "dome_azimuth": 12.5, "enclosure_message": "-"}
    whole = (await get(server, "/status/tst/complete_status")).json()
    assert whole["status_age_timestamps_ms"].keys() >= {"device", "weather", "enclosure"}
    assert whole["status"]["mount"]["m1"]["ra"]["val"] == 1.5
    assert whole["status"]["observing_conditions"]["observing_conditions1"]["temperature_C"]["val"] is None
    on_the_map = (await get(server, "/status/allopenstatus")).json()["tst"]
    assert (on_the_map["wx_ok"], on_the_map["enclosure"]["status_age_s"] < 600) == (True, True)
    yesterday = int(time.time()) - 86_400
    logs = (await get(server, f"/logs/recent-logs?after_time={yesterday}&site=tst")).json()
    assert logs[0]["message"] == "Opening the roof"
    phases = (await get(server, "/status/phase_status/tst?max_age_seconds=3600")).json()
    assert phases[0]["message"] == "Sky flats"
    assert (await get(server, "/status/tst/obs_settings/")).json() == {}


# --- 9 ----------------------------------------------------------------------------------------------------------


async def test_9_the_events_of_a_night_are_those_of_the_first_service(server, observatory):
    await asyncio.to_thread(observatory.put_config, "tst", CONFIG)
    golden = NIGHTS[2]  # of this place
    told = (await get(server, f"/api/events?site=tst&when={golden['when']}")).json()
    assert list(told) == sorted(golden["events"], key=golden["events"].get)
    for name, expected in golden["events"].items():
        assert abs(told[name] - expected) * DAY_S < TOLERANCE_S, name
    now = (await get(server, "/api/events?site=tst")).json()
    assert {name for name in golden["events"] if not name.startswith("Moon")} <= now.keys()


async def test_9_the_calendar_shows_the_moon(server):
    """It asks for what it shows and twelve days on both sides, in local time with a Z at the end."""
    shown = {"lat": 34, "lng": -119, "start": "2022-06-19T17:00:00Z", "end": "2022-07-20T17:00:00Z"}
    reply = await get(server, f"/api/events/moon/rise-set-illum?{urlencode(shown)}")
    passages = reply.json()
    assert len(passages) in {29, 30}
    for passage in passages:
        assert set(passage) == {"illumination", "rise", "set", "transit"}
        assert passage["rise"] < passage["transit"] < passage["set"]
        assert 0 <= passage["illumination"] <= 1
    rises = [datetime.fromisoformat(passage["rise"]).timestamp() for passage in passages]
    assert min(abs(rise - 1656687310) for rise in rises) <= TOLERANCE_S  # 2022-07-01T14:55:10Z
    wrong = await get(server, "/api/events/moon/rise-set-illum?lat=34&lng=-119&start=today&end=tomorrow")
    assert (wrong.status_code, wrong.text[:36]) == (404, "Error with format of start/end times")


# --- 10 ---------------------------------------------------------------------------------------------------------


async def test_10_the_script_shows_an_info_image(server, observatory, base):
    await sent(observatory, base, "hj")
    await package_with(server, base, "jpg_url")
    async with listening(server, "tst") as listener:
        (shown,) = await asyncio.to_thread(Script(server).run, letters="j", s3="info-images", c=2)
        (data,) = await listener.heard(shown)
    assert data == {"s3_directory": "info-images", "base_filename": shown, "site": "tst", "channel": 2}
    assert (await get(server, "/api/infoimage/tst/2")).json()["base_filename"] == shown


async def test_10_the_script_sends_a_smart_stack(server, observatory, base):
    await sent(observatory, base, "hj")
    await package_with(server, base, "jpg_url")
    stack = await asyncio.to_thread(Script(server).run, letters="hjt", ss=5)
    assert len(set(stack)) == 5
    packages = [await package_with(server, name, "SMARTSTK") for name in stack]
    assert [package["SSTKNUM"] for package in packages] == ["0", "1", "2", "3", "4"]
    assert len({package["SMARTSTK"] for package in packages}) == 1
    assert all(package["jpg_thumbnail_url"] for package in packages)
    # Its stacks are no numbers, as those of observatories are: all of them are shown.
    found = (await get(server, "/api/filtered_images?site=tst")).json()
    assert set(stack) <= {image["base_filename"] for image in found}
    header = (await get(server, f"/api/fitsheader/{stack[0]}/")).json()
    assert header["SSTKLEN"] == "5"


async def test_10_of_an_observatorys_smart_stack_the_last_is_shown(server, observatory):
    stack = [f"tst-cam01-{TODAY}-{next(_numbers):08d}" for _ in range(3)]
    cards = {"SMARTSTK": "291126213005", "SSTKLEN": 3}
    for number, name in enumerate(stack):
        for file in exposure(name, "hj", "EX", {**cards, "SSTKNUM": number}):
            await asyncio.to_thread(observatory.upload, *file)
    await package_with(server, stack[-1], "SMARTSTK")
    found = (await get(server, f"/api/filtered_images?site=tst&start_date={TODAY[:4]}-01-01")).json()
    assert [image["base_filename"] for image in found if image["base_filename"] in stack] == stack[-1:]


def test_what_the_observatory_sends_names_no_content_type():
    """What all of this rests on: the library adds none to a text."""
    request = requests.Request("PUT", "http://lab/api/tst/config/", data=json.dumps(CONFIG)).prepare()
    assert "Content-Type" not in request.headers
