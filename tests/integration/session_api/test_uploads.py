"""Files of observatories, sent as their software sends them."""

import asyncio
import hashlib
import json
from datetime import timedelta

import httpx
import pytest
from astropy.io import fits
from urllib3.filepost import encode_multipart_formdata

from datalab.documents.upload import Outcome, Upload, version_id
from datalab.events.envelope import utc_now
from datalab.events.frames import FileUploaded, FrameRemoved
from datalab.events.topology import FILES
from datalab.platform.documents.outbox import HAS_EVENTS
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.forms import Forms
from session_api.uploads.multipart import MultipartForm
from session_api.uploads.open_sites import OpenSites
from session_api.uploads.service import UploadService
from session_api.uploads.settings import UploadSettings
from support.session_api import body_of, frame_document, frame_file, running_world, stored_file
from support.waiting import until

MIB = 1024**2
BASE = "tst-inst-20261129-{:08d}"


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(
        module_settings_environment, max_upload_bytes=10 * MIB, uploads_at_once=2, open_upload_sites=["*"]
    ) as world:
        await world.add_frames(frame_document("m31", site="abc"))
        yield world


@pytest.fixture(scope="module")
async def anybody(world):
    async with world.client() as client:
        yield client


@pytest.fixture
def name(request):
    """A file name that no other test has."""
    return f"{BASE.format(int(hashlib.sha256(request.node.name.encode()).hexdigest()[:6], 16))}-EX10.jpg"


async def ask(client, path="/api//upload/", **body):
    """Ask as `requests.post(url, data=json.dumps(body))` does: no Content-Type, a doubled slash."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    request = client.build_request("POST", url, content=json.dumps(body).encode())
    assert "Content-Type" not in request.headers
    return await client.send(request)


async def offered(client, name, **more):
    reply = await ask(client, object_name=name, **more)
    assert reply.status_code == 200, reply.text
    return body_of(reply)


def form(fields, content, *, file_name="C:\\ptr\\night\\x.jpg"):
    """Return a form as `requests` encodes it: the fields, then the file under its whole local path."""
    parts = [*fields.items(), ("file", (file_name, content))]
    body, content_type = encode_multipart_formdata(parts)
    return {"content": body, "headers": {"Content-Type": content_type}}


async def send(client, offer, content, **changes):
    return await client.post(offer["url"], **form({**offer["fields"], **changes}, content))


async def upload(client, name, content, **more):
    reply = await send(client, await offered(client, name, **more), content)
    assert (reply.status_code, reply.content) == (204, b""), reply.text


async def stored(world, key):
    return await world.core.objects.get_bytes(key, max_bytes=100 * MIB)


async def nothing_waits(tickets, key):
    return await tickets.find_one({"key": key, **HAS_EVENTS}) is None


async def announced(world, key):
    """Return what the bus was told of a file, once nothing of it waits to be told: a sweep leaves what is young."""
    tickets = world.database["upload_tickets"]
    await until(lambda: nothing_waits(tickets, key))
    messages = [message async for message in world.bus.replay(FILES, after=0, filter_subjects=FILES.subjects)]
    events = [FileUploaded.decode(message.body) for message in messages]
    return [event for event in events if event.key == key]


@pytest.mark.parametrize("stage", ["", "/api", "/dev", "/test"])
async def test_an_observatory_uploads_a_file(world, anybody, name, stage):
    reply = await ask(anybody, f"{stage}//upload/", object_name=name, s3_directory="data")
    offer = body_of(reply)
    assert list(offer) == ["url", "fields"]
    assert offer["url"] == f"{world.url}{stage}/upload/form"
    assert offer["fields"]["key"] == f"data/{name}"
    content = b"\xff\xd8 a picture \r\n--no boundary"
    reply = await send(anybody, offer, content)
    assert (reply.status_code, reply.content) == (204, b"")
    assert await stored(world, f"data/{name}") == content
    (event,) = await announced(world, f"data/{name}")
    assert (event.site, event.size_bytes, event.sha256) == ("tst", len(content), hashlib.sha256(content).hexdigest())
    assert world.caused.seen["POST", "/upload/form"] == {FileUploaded}


async def test_a_form_is_good_for_one_file_however_often_that_is_sent(world, anybody, name):
    offer = await offered(anybody, name)
    for _ in range(3):
        assert (await send(anybody, offer, b"one")).status_code == 204
    reply = await send(anybody, offer, b"two")
    assert (reply.status_code, reply.text) == (
        403,
        "The form was used already, for another file; ask for another form.",
    )
    assert await stored(world, f"data/{name}") == b"one"
    assert len(await announced(world, f"data/{name}")) == 1
    assert await world.database["file_versions"].count_documents({"key": f"data/{name}"}) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "data/abc-inst-20261129-00000001-EX10.jpg"}, "'key' is not what it was made for"),
        ({"key": "data/../results/x"}, "'key' is not what it was made for"),
        ({"x-amz-signature": "0" * 64}, "signature is not ours"),
        ({"policy": "e30="}, "signature is not ours"),
        ({"acl": "public-read"}, "not made with a field 'acl'"),
    ],
)
async def test_an_altered_form_is_refused_and_nothing_is_written(world, anybody, name, change, words):
    offer = await offered(anybody, name)
    reply = await send(anybody, offer, b"x", **change)
    assert (reply.status_code, reply.headers["Content-Type"]) == (403, "application/json")
    assert words in reply.text
    for key in {f"data/{name}", offer["fields"]["key"]}:
        with pytest.raises(ObjectNotFoundError):
            await stored(world, key)
    assert (await send(anybody, offer, b"x")).status_code == 204  # the form itself is as good as before


async def test_an_expired_form_and_one_that_was_not_handed_out_are_refused(world, anybody, name):
    forms = Forms(world.settings)
    for ahead_s, words in ((-1, "The form has expired, at 2"), (60, "The form was not handed out here.")):
        signed = forms.sign(f"data/{name}", max_bytes=10, expires_at=utc_now() + timedelta(seconds=ahead_s))
        reply = await send(anybody, {"url": f"{world.url}/upload/form", "fields": signed.fields}, b"x")
        assert (reply.status_code, reply.text[: len(words)]) == (403, words)
    with pytest.raises(ObjectNotFoundError):
        await stored(world, f"data/{name}")


async def test_a_large_file_comes_in_parts_and_one_that_is_too_large_leaves_what_was_there(world, anybody, name):
    content = bytes(range(256)) * (9 * MIB // 256)
    await upload(anybody, name, content)
    assert await stored(world, f"data/{name}") == content
    reply = await send(anybody, await offered(anybody, name), b"x" * (10 * MIB + 1))
    assert (reply.status_code, reply.text) == (413, "The file is too large: at most 10485760 bytes are accepted.")
    assert await stored(world, f"data/{name}") == content


async def test_what_is_replaced_stays_reachable(world, anybody, name):
    for content in (b"first", b"second", b"second", b"third"):
        await upload(anybody, name, content)
    assert await stored(world, f"data/{name}") == b"third"
    basename = name.rpartition("-")[0]
    await world.add_frames(
        frame_document(basename, files={"jpg_10": frame_file(stored_file(f"data/{name}")).model_dump()})
    )
    await world.add_user("reader")
    async with world.client("reader") as reader:
        versions = body_of(await reader.get(f"/api/frames/upload/replaced/{basename}/"))
        assert [version["file_name"] for version in versions] == [name, name]
        async with httpx.AsyncClient() as browser:
            assert {(await browser.get(version["url"])).content for version in versions} == {b"first", b"second"}


async def test_what_files_were_before_goes_with_their_frame(world, anybody, name):
    for content in (b"first", b"second"):
        await upload(anybody, name, content)
    key = f"data/{name}"
    (version,) = await world.database["file_versions"].find({"key": key}).to_list(None)
    gone = {"site": "tst", "frame_id": 7, "basename": name, "cause": "requested", "keys": (key,)}
    await world.bus.publish(FrameRemoved(**gone, occurred_at=version["replaced_at"] - timedelta(seconds=1)))
    other = name.replace("EX10", "EX11")
    for content in (b"first", b"second"):
        await upload(anybody, other, content)
    await world.bus.publish(FrameRemoved(**{**gone, "frame_id": 8, "keys": (f"data/{other}",)}))
    await until(lambda: is_forgotten(world, f"data/{other}"))
    # What was replaced after a frame went is of the next one.
    assert await stored(world, version["_id"]) == b"first"
    await world.bus.publish(FrameRemoved(**{**gone, "frame_id": 9}))
    await until(lambda: is_forgotten(world, key))
    with pytest.raises(ObjectNotFoundError):
        await stored(world, version["_id"])
    assert await stored(world, key) == b"second"


async def is_forgotten(world, key):
    return await world.database["file_versions"].count_documents({"key": key}) == 0


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"s3_directory": "results"}, 403, "s3_directory must be either 'data', 'info-images', or 'allsky'."),
        ({"s3_directory": "data/.."}, 403, "s3_directory must be either 'data', 'info-images', or 'allsky'."),
        (
            {"s3_directory": "info-images", "info_channel": 4},
            403,
            "Value for info_channel must be either 1, 2, or 3. Received 4 instead.",
        ),
        (
            {"s3_directory": "info-images", "info_channel": "x"},
            403,
            "Value for info_channel must be either 1, 2, or 3. Received x instead.",
        ),
        ({"object_name": "../../etc/passwd"}, 400, "object_name must be a plain file name"),
        ({"object_name": "a/b.txt"}, 400, "object_name must be a plain file name"),
        ({"object_name": "..\\x.txt"}, 400, "object_name must be a plain file name"),
        ({"object_name": ".hidden"}, 400, "object_name must be a plain file name"),
        ({"object_name": ""}, 400, "object_name must be a plain file name"),
        ({"object_name": "a\nb.fits"}, 400, "object_name must be a plain file name"),
        ({"object_name": "a" * 256}, 400, "object_name must be a plain file name"),
        ({"object_name": "\u2603" * 100}, 400, "object_name must be a plain file name"),
        ({"object_name": 7}, 400, "object_name: Not a valid string."),
        ({"object_name": "m31.fits"}, 409, "There is a frame 'm31' already, and the name does not say"),
        ({"object_name": "m31.fits", "site": "tst"}, 409, "There is a frame 'm31' already, and it is another site's."),
        ({"site": "mrc"}, 400, "object_name says site 'tst', not 'mrc'"),
        ({"site": "mrc", "s3_directory": "info-images"}, 400, "object_name says site 'tst', not 'mrc'"),
        ({"site": "a.b"}, 400, "site: "),
        ({"header_data": {"EXPTIME": [1]}}, 400, "header_data: 'EXPTIME' is no text, number, true, false or null."),
        ({"object_name": "m33.fits", "header_data": {}}, 400, "header_data needs a file named"),
        (
            {"object_name": "x.jpg", "s3_directory": "info-images"},
            400,
            "object_name must begin with the code of a site",
        ),
    ],
)
async def test_what_cannot_be_uploaded_is_refused_in_words(world, anybody, body, status, text):
    before = await world.database["upload_tickets"].count_documents({})
    reply = await ask(anybody, **{"object_name": f"{BASE.format(1)}-EX10.jpg", **body})
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "application/json")
    assert reply.text.startswith(text)
    assert await world.database["upload_tickets"].count_documents({}) == before


async def test_nobody_uploads_for_a_site_that_is_not_open(world, anybody, monkeypatch):
    assert UploadSettings().open_upload_sites == []
    monkeypatch.setattr(world.service(UploadService), "_open_sites", OpenSites({"abc"}))
    tst, abc = f"{BASE.format(1)}-EX10.jpg", f"{BASE.format(1).replace('tst', 'abc')}-EX10.jpg"
    reply = await ask(anybody, object_name=tst)
    assert (reply.status_code, reply.text) == (
        403,
        "Files of site 'tst' are taken from its own software only, with a token.",
    )
    assert (await ask(anybody, object_name=abc)).status_code == 200
    await world.add_user("operator", superuser=True)
    async with world.client("operator") as operator:
        assert (await ask(operator, object_name=tst)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"object_name": "tst-inst-2026-night.token"},
        {"object_name": "anything.txt", "s3_directory": "test"},
        {"object_name": "tst-all.jpg", "s3_directory": "allsky", "info_channel": 9, "metadata": "{}"},
        {"object_name": "m33.fits.fz"},
        # The tests of the first service: any name is taken, and ingest says what is wrong with it.
        {"object_name": "object_from_unit_test.txt"},
        {"object_name": "holiday.png"},
        {"object_name": "tst-inst-20269999-00000001-EX00.fits"},
    ],
)
async def test_what_else_observatories_store(world, anybody, body):
    name, folder = body.pop("object_name"), body.get("s3_directory", "data")
    await upload(anybody, name, b"x", **body)
    told = [(event.site, event.size_bytes) for event in await announced(world, f"{folder}/{name}")]
    site = "tst" if name.startswith("tst-") else None
    assert told == ([] if folder == "test" else [(site, 1)])


async def test_silent_senders_take_no_place_of_others(world, anybody, name, monkeypatch):
    reading = 0
    fields = MultipartForm.fields

    async def counted(form):
        nonlocal reading
        reading += 1
        return await fields(form)

    monkeypatch.setattr(MultipartForm, "fields", counted)
    url = httpx.URL(world.url)
    head = (
        f"POST /upload/form HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        "Content-Length: 1000\r\n\r\n--x\r\n"
    )
    silent = [await asyncio.open_connection(url.host, url.port) for _ in range(4)]  # there are two places
    try:
        for _, writer in silent:
            writer.write(head.encode())
        await until(lambda: reading == 4)
        await upload(anybody, name, b"x")
    finally:
        for _, writer in silent:
            writer.close()


async def test_info_images_asked_for_at_once_keep_their_channels(world, anybody, name):
    first, second = name, name.replace("-EX", "-EF")
    one = await offered(anybody, first, s3_directory="info-images", info_channel="2")
    other = await offered(anybody, second, s3_directory="info-images", info_channel=2)
    for offer in (other, one):
        assert (await send(anybody, offer, b"x")).status_code == 204
    tickets = await world.database["upload_tickets"].find({"key": {"$regex": "^info-images/"}}).to_list(None)
    assert {(ticket["key"], ticket["site"], ticket["channel"], ticket["state"]) for ticket in tickets} == {
        (f"info-images/{each}", "tst", 2, "stored") for each in (first, second)
    }


async def test_a_header_in_the_request_is_stored_as_the_text_it_replaces(world, anybody, name):
    header = {
        "SIMPLE": True,
        "DATE-OBS": "2026-11-29T01:02:03.456",
        "exptime": 12.5,
        "NAXIS": 2,
        "TINY": 1e-07,
        "OBJECT": "Barnard's star",
        "NOTE": "it's " * 40,
        "NOTHING": None,
        "A LONG KEYWORD": "x",
        "COMMENT": "y" * 100,
    }
    await upload(anybody, name, b"x", header_data=header)
    key = f"data/{name.replace('-EX10.jpg', '-EX00.txt')}"
    text = (await stored(world, key)).decode("ascii")
    assert len(text) % 2880 == 0
    read = fits.Header.fromstring(text)
    assert {name: read[name] for name in ("SIMPLE", "DATE-OBS", "EXPTIME", "NAXIS", "TINY", "OBJECT")} == {
        "SIMPLE": True, "DATE-OBS": "2026-11-29T01:02:03.456", "EXPTIME": 12.5, "NAXIS": 2, "TINY": 1e-07,
        "OBJECT": "Barnard's star",
    }  # fmt: skip
    assert read["NOTE"] == header["NOTE"].rstrip()
    assert read["NOTHING"] is None
    assert read["A LONG KEYWORD"] == "x"
    assert "".join(read["COMMENT"]) == "y" * 100
    assert [event.site for event in await announced(world, key)] == ["tst"]
    assert world.caused.seen["POST", "/upload"] == {FileUploaded}


async def test_a_form_that_ends_early_writes_nothing(world, anybody, name):
    offer = await offered(anybody, name)
    whole = form(offer["fields"], b"x" * 1000)
    for content, words in (
        (whole["content"][:-200], "The form ends in the middle of its file."),
        (whole["content"][:300], "The form has no part named 'file'"),
        (b"nonsense", "The form cannot be read"),
    ):
        reply = await anybody.post(offer["url"], content=content, headers=whole["headers"])
        assert reply.status_code == 400
        assert reply.text.startswith(words)
    reply = await anybody.post(offer["url"], json={})
    assert (reply.status_code, reply.text[:19]) == (400, "The body must be a ")
    with pytest.raises(ObjectNotFoundError):
        await stored(world, f"data/{name}")
    assert (await send(anybody, offer, b"x")).status_code == 204


async def fate(client, reply):
    """Return what is told of a file, where the answer to the request for its form says."""
    told = await client.get(reply.links["monitor"]["url"])
    assert told.status_code == 200, told.text
    return body_of(told)


async def log(world, key, outcome, reason=None):
    """Have ingest say what became of what is stored under a key now."""
    stored = await world.core.objects.stat(key)
    entry = Upload(
        version_id=version_id(key, size_bytes=stored.size_bytes, stored_at=stored.modified_at),
        site="tst",
        key=key,
        size_bytes=stored.size_bytes,
        uploaded_at=stored.modified_at,
        outcome=outcome,
        reason=reason,
    )
    await world.database["upload_log"].insert_one(entry.stored())


async def test_whoever_has_the_form_is_told_what_became_of_the_file(world, anybody, name):
    key, content = f"data/{name}", b"\xff\xd8 picture"
    sha256 = hashlib.sha256(content).hexdigest()
    reply = await ask(anybody, "/dev/upload", object_name=name)
    assert reply.links["monitor"]["url"].startswith(f"{world.url}/dev/upload/form/")
    assert await fate(anybody, reply) == {"key": key, "state": "awaited", "sha256": None, "frame": None, "reason": None}
    assert (await send(anybody, body_of(reply), content)).status_code == 204
    assert await fate(anybody, reply) == {
        "key": key,
        "state": "stored",
        "sha256": sha256,
        "frame": None,
        "reason": None,
    }
    await log(world, key, Outcome.INGESTED)
    told = await fate(anybody, reply)
    assert (told["state"], told["frame"]) == ("ingested", name.rpartition("-")[0])

    again = await ask(anybody, object_name=name)
    assert (await fate(anybody, again))["state"] == "awaited"
    await asyncio.sleep(1.1)  # of one second are versions of one size the same to the log
    await send(anybody, body_of(again), content)
    await log(world, key, Outcome.INGESTED)
    told = await fate(anybody, again)
    assert (told["state"], told["reason"]) == ("unchanged", "its frame has this file already")


async def test_a_refusal_is_told_with_its_reason(world, anybody, name):
    reply = await ask(anybody, object_name=name)
    await send(anybody, body_of(reply), b"no picture")
    await log(world, f"data/{name}", Outcome.REJECTED, "it is no JPEG")
    told = await fate(anybody, reply)
    assert (told["state"], told["reason"], told["frame"]) == ("refused", "it is no JPEG", None)


async def test_of_what_nothing_is_made_of_is_told_why(world, anybody, name):
    trial = await ask(anybody, object_name="x.txt", s3_directory="test")
    await send(anybody, body_of(trial), b"x")
    told = await fate(anybody, trial)
    assert (told["state"], told["reason"]) == ("kept", "it is a trial: nothing is made of it")
    late = await ask(anybody, object_name=name, s3_directory="info-images")
    await send(anybody, body_of(late), b"x")
    assert (await fate(anybody, late))["state"] == "stored"
    await log(world, f"info-images/{name}", Outcome.IGNORED, "the channel shows a newer one")
    told = await fate(anybody, late)
    assert (told["state"], told["reason"], told["frame"]) == ("kept", "the channel shows a newer one", None)


async def test_nobody_guesses_what_became_of_files(anybody):
    for guessed in ("0" * 64, "0" * 63, "x"):
        assert (await anybody.get(f"/upload/form/{guessed}")).status_code == 404


async def test_a_name_without_a_site_is_of_the_site_that_is_said(world, anybody):
    offer = await offered(anybody, "m34_1.fits", site="tst")
    await send(anybody, offer, b"x")
    (event,) = await until(lambda: announced(world, "data/m34_1.fits"))
    assert event.site == "tst"


async def test_two_sites_that_ask_for_one_name_do_not_share_its_object(world, anybody):
    """Before there is a frame of it: the first has the name, whoever stores first."""
    first = await offered(anybody, "m36 [Ha].FIT", site="tst")
    reply = await ask(anybody, object_name="m36 [Ha].FIT", site="abc")
    assert (reply.status_code, reply.text[:24]) == (409, "There is a frame 'm36 _H")
    await send(anybody, first, b"tst")
    assert (await ask(anybody, object_name="m36 [Ha].FIT", site="abc")).status_code == 409
    again = await offered(anybody, "m36 [Ha].FIT", site="tst")
    await send(anybody, again, b"tst again")
    assert await stored(world, "data/m36 [Ha].FIT") == b"tst again"
    answers = await asyncio.gather(*(ask(anybody, object_name="m37.fits", site=site) for site in ("tst", "abc", "xyz")))
    assert sorted(reply.status_code for reply in answers).count(200) <= 1


async def test_a_sites_own_user_sends_for_it_and_for_no_other(world, monkeypatch):
    monkeypatch.setattr(world.service(UploadService), "_open_sites", OpenSites([]))
    await world.add_user("camera", ingests=["tst"])
    async with world.client("camera") as camera:
        assert (await ask(camera, object_name=f"{BASE.format(7)}-EX10.jpg")).status_code == 200
        assert (await ask(camera, object_name="m35_1.fits", site="tst")).status_code == 200
        for other in ({"object_name": "abc-inst-20261129-00000001-EX10.jpg"}, {"object_name": "m35.fits"}):
            assert (await ask(camera, **other)).status_code == 403
        reply = await ask(camera, object_name="abc-1.jpg", s3_directory="info-images", site="tst")
        assert (reply.status_code, "says site 'abc'" in reply.text) == (400, True)
