"""Frames of OCS ingesters: stored through our S3 door, told of, and then like any other; of no other file or user."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from datalab.events.envelope import utc_now
from datalab.events.frames import FileRecordRequested
from session_api.uploads.ingesters.store import IngesterStore
from support.fits_files import packed_fits, plain_fits
from support.ingest_service import running, settings_for_tests
from support.ingesters import md5_of, picture, put, record, store_keys, stored
from support.session_api import MEDIAN, archive, body_of, frame_document, running_world
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 10
#: What only ingesters may do.
THEIRS = (("POST", "frames"), ("POST", "thumbnails"), ("GET", "versions"), ("GET", "ocs-store"))
FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})


def fits(**cards):
    return packed_fits(OBJECT="m31", **cards)


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    async with (
        running_world(module_settings_environment, max_upload_bytes=200_000) as world,
        running(settings_for_tests(scratch, http_port=0)),
    ):
        await world.add_user("ingester", ingests=["tst"])
        await world.add_user("other", ingests=["oth"])
        await world.add_user("everywhere", ingests=["*"])
        await world.add_user("member", proposals=["P1"])
        await world.add_user("stranger")
        await world.add_user("root", superuser=True)
        await world.describe(MEDIAN)
        yield world


@pytest.fixture(scope="module")
async def ingester(world):
    async with world.client("ingester") as client:
        yield client


@pytest.fixture(scope="module")
async def keys(ingester):
    return await store_keys(ingester)


@pytest.fixture
def basename(request):
    number = int(hashlib.sha256(request.node.name.encode()).hexdigest()[:4], 16) % 10_000
    return f"tst1m012-ab12-20260504-{number:04d}-e91"


async def known(client, md5):
    return body_of(await client.get("/api/versions/", params={"md5": md5}))["count"]


async def posted(client, route, body, status=201):
    reply = await client.post(f"/api/{route}/", json=body)
    assert reply.status_code == status, reply.text
    return body_of(reply)


async def test_a_file_that_was_told_of_is_a_frame_like_any_other(world, ingester, keys, basename):
    content = fits(GAIN=1.5, PROPID="theirs")
    assert await known(ingester, md5_of(content)) == 0
    version = await stored(keys, f"tst/ab12/20260504/processed/{basename}.fits.fz", content)
    assert await known(ingester, version["md5"]) == 0  # stored is not told of
    frame = await posted(ingester, "frames", record(basename, version))
    assert (frame["basename"], frame["filename"]) == (basename, f"{basename}.fits.fz")
    assert (frame["proposal_id"], frame["REQNUM"], frame["RLEVEL"]) == ("P1", 88, 91)
    assert frame["public_date"] == "2027-05-04T22:00:00.417000Z"
    assert [each["md5"] for each in frame["version_set"]] == [version["md5"]]
    assert await known(ingester, version["md5"]) == 1
    async with world.client("member") as member, world.client("stranger") as stranger, httpx.AsyncClient() as plain:
        listed = body_of(await member.get(f"/api/frames/?basename_exact={basename}"))["results"]
        assert [each["id"] for each in listed] == [frame["id"]]
        assert body_of(await member.get(f"/frames/?REQNUM=88&limit=1000&basename_exact={basename}"))["count"] == 1
        assert (await plain.get(listed[0]["url"])).content == content
        header = body_of(await member.get(f"/api/frames/{frame['id']}/headers/"))["data"]
        # The file's own cards, and what the ingester made of them, each in the type it has.
        assert (header["GAIN"], header["EXPTIME"], header["OBJECT"], header["HASFLAT"]) == (1.5, 12.5, "M 31", True)
        assert header["SECONDGU"] is None
        assert (await stranger.get(f"/api/frames/{frame['id']}/")).status_code == 404
        session_id = await world.session(member, input_data=[archive(basename)])
        await world.add_frames(frame_document("another"))
        inputs = {"input_files": [archive(basename), archive("another")]}
        operation = await world.operation(member, session_id, input_data=inputs)
        (request,) = await world.requests(operation)
        assert hashlib.sha256(content).hexdigest() in {file.sha256 for file in request.input_files}
    assert await world.database["ingester_files"].count_documents({}) == 0
    assert world.caused.seen["POST", "/api/frames"] == {FileRecordRequested}


async def test_what_headers_leave_open_is_taken_as_it_is(world, ingester, keys, basename):
    open_ = dict.fromkeys(("area", "observation_date", "observation_day", "exposure_time", "public_date", "request_id"))
    open_ |= {"primary_optical_element": "", "target_name": 42, "observation_id": "77a", "proposal_id": " "}
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=1, FILTER="rp"))
    frame = await posted(ingester, "frames", record(basename, version, **open_))
    told = [frame[key] for key in ("target_name", "primary_optical_element", "observation_id", "public_date")]
    assert told == ["42", "rp", "77a", None]


async def test_what_is_said_twice_is_there_once(world, ingester, keys, basename):
    content = fits(NUMBER=2)
    path = f"tst/ab12/20260504/processed/{basename}.fits.fz"
    version = await stored(keys, path, content)
    first = await posted(ingester, "frames", record(basename, version))
    assert await posted(ingester, "frames", record(basename, version)) == first
    again = await stored(keys, path, content)
    assert await posted(ingester, "frames", record(basename, again)) == first
    document = await world.database["frames"].find_one({"_id": basename})
    objects = [each.key async for each in world.core.objects.list("recorded/") if basename in each.key]
    assert objects == [document["files"]["fits"]["key"]]
    assert await known(ingester, version["md5"]) == 1
    # Under another name it would be a double.
    third = await stored(keys, path.replace("-e91", "-e90"), content)
    other = basename.replace("-e91", "-e90")
    refused = await posted(ingester, "frames", record(other, third), 400)
    assert refused["version_set"] == ["md5: version with this md5 already exists."]


async def test_two_that_tell_of_one_file_at_once_make_one_frame(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=3))
    frames = await asyncio.gather(*(posted(ingester, "frames", record(basename, version)) for _ in range(4)))
    assert len({frame["id"] for frame in frames}) == 1
    assert await world.database["frames"].count_documents({"_id": basename}) == 1
    assert (await world.core.objects.stat(frames[0]["version_set"][0]["key"])) is not None


async def test_versions_replace_each_other_and_stay_reachable(ingester, keys, basename):
    contents = [fits(NUMBER=number, VERSION=number) for number in (4, 5, 6)]
    for content in contents:
        version = await stored(keys, f"same/path/{basename}.fits.fz", content)
        frame = await posted(ingester, "frames", record(basename, version, target_name=f"{len(content)}"))
        await asyncio.sleep(0)
    newest_first = [md5_of(content) for content in reversed(contents)]
    assert [each["md5"] for each in frame["version_set"]] == newest_first
    assert len({each["id"] for each in frame["version_set"]}) == 3
    async with httpx.AsyncClient() as plain:
        got = [(await plain.get(each["url"])).content for each in frame["version_set"]]
    assert got == list(reversed(contents))
    assert frame["url"] == frame["version_set"][0]["url"]
    assert [await known(ingester, md5) for md5 in newest_first] == [1, 1, 1]


async def test_a_frame_that_is_removed_takes_all_its_versions_along_and_may_come_again(world, ingester, keys, basename):
    for number in (12, 13):
        version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=number))
        frame = await posted(ingester, "frames", record(basename, version))
    objects = [each["key"] for each in frame["version_set"]]
    assert len(objects) == 2
    assert (await ingester.delete(f"/api/frames/{frame['id']}/")).status_code == 404  # not a member of the proposal
    async with world.client("root") as root:
        assert (await root.delete(f"/api/frames/{frame['id']}/")).status_code == 202

        async def gone():
            return (await root.get(f"/api/frames/{frame['id']}/")).status_code == 404

        await until(gone)

    async def forgotten():
        return await world.database["frames"].find_one({"_id": basename}) is None

    await until(forgotten)
    assert [await world.core.objects.stat(key) for key in objects] == [None, None]
    assert await known(ingester, version["md5"]) == 0
    again = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=13))
    assert (await posted(ingester, "frames", record(basename, again)))["id"] != frame["id"]


async def test_pictures_are_thumbnails_of_their_frame(world, ingester, keys, basename):
    small = await stored(keys, f"tst/ab12/20260504/thumbnails/{basename}-small.jpg", JPEG)
    missing = await posted(ingester, "thumbnails", picture(basename, small), 400)
    assert list(missing) == ["frame_basename"]
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=7))
    frame = await posted(ingester, "frames", record(basename, version))
    made = await posted(ingester, "thumbnails", picture(basename, small))
    assert (made["frame"], made["size"]) == (frame["id"], "small")
    assert await posted(ingester, "thumbnails", picture(basename, small)) == made
    assert await known(ingester, small["md5"]) == 1
    better = await stored(keys, f"x/{basename}-small.jpg", JPEG + b"better")
    await posted(ingester, "thumbnails", picture(basename, better))
    assert await world.core.objects.stat(made["key"]) is None  # nobody sees it any more
    async with world.client("member") as member, world.client("stranger") as stranger, httpx.AsyncClient() as plain:
        listed = body_of(await member.get(f"/api/thumbnails/?frame_basename={basename}&size=small"))["results"]
        assert (await plain.get(listed[0]["url"])).content == JPEG + b"better"
        assert body_of(await stranger.get(f"/api/thumbnails/?frame_basename={basename}"))["count"] == 0
    no_jpeg = await stored(keys, f"x/{basename}-large.jpg", b"no picture")
    reply = await posted(ingester, "thumbnails", picture(basename, no_jpeg, size="large"), 400)
    assert "not a JPEG" in reply["detail"]
    assert list(await posted(ingester, "thumbnails", picture(basename, no_jpeg, size="huge"), 400)) == ["size"]
    assert world.caused.seen["POST", "/api/thumbnails"] == {FileRecordRequested}


async def test_one_picture_may_have_two_sizes(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=17))
    await posted(ingester, "frames", record(basename, version))
    content = JPEG + b"one for both"
    small = await stored(keys, f"x/{basename}-small.jpg", content)
    files = world.database["ingester_files"]
    entry = await files.find_one({"_id": small["key"]})
    made = await posted(ingester, "thumbnails", picture(basename, small))
    large = await stored(keys, f"x/{basename}-large.jpg", content)
    other = await posted(ingester, "thumbnails", picture(basename, large, size="large"))
    assert (other["size"], other["key"] != made["key"]) == ("large", True)
    assert await posted(ingester, "thumbnails", picture(basename, large, size="large")) == other
    # One object is never two of a frame's files: replaced in one size, it would be gone in the other.
    await files.insert_one({**entry, "frame": basename})
    name = f"{basename}-small"
    refused = await posted(ingester, "thumbnails", picture(basename, small, size="medium", basename=name), 400)
    assert refused["version_set"] == ["key: The file stored under it is a picture of the frame already."]
    assert await files.find_one({"_id": small["key"]}) is not None
    for key in (made["key"], other["key"]):
        assert await world.core.objects.stat(key) is not None
    await files.delete_one({"_id": small["key"]})


async def test_a_picture_that_its_frame_had_is_a_double_in_no_other_frame(world, ingester, keys, basename):
    other = basename.replace("-e91", "-e90")
    for number, name in ((18, basename), (19, other)):
        version = await stored(keys, f"x/{name}.fits.fz", fits(NUMBER=number))
        await posted(ingester, "frames", record(name, version))
    small = await stored(keys, f"x/{basename}-small.jpg", JPEG + b"theirs")
    made = await posted(ingester, "thumbnails", picture(basename, small))
    again = await stored(keys, f"x/{other}-small.jpg", JPEG + b"theirs")
    refused = await posted(ingester, "thumbnails", picture(other, again), 400)
    assert refused["version_set"] == ["md5: version with this md5 already exists."]
    assert await world.core.objects.stat(made["key"]) is not None
    assert await world.database["ingester_files"].find_one({"_id": again["key"]}) is None


async def test_forged_records_are_refused(world, ingester, keys, basename):
    content = fits(NUMBER=8)
    version = await stored(keys, f"x/{basename}.fits.fz", content)
    await world.core.objects.put_bytes("results/a/b/c/secret.fits", content, content_type="image/fits")
    for key in ("results/a/b/c/secret.fits", "../results/a/b/c/secret.fits", "0" * 32, "people/ada/x.fits"):
        refused = await posted(ingester, "frames", record(basename, {**version, "key": key}), 400)
        assert refused["version_set"] == ["key: You have stored no file here under this key."]
    for forged in ({**version, "md5": "0" * 32}, {**version, "extension": ".fits"}):
        assert list(await posted(ingester, "frames", record(basename, forged), 400)) == ["version_set"]
    for changes in (
        {"basename": f"../{basename}"},
        {"basename": "ada~mine"},
        {"basename": basename.replace("tst", "oth")},
        {"area": {"type": "Polygon", "coordinates": [[[1, 2], [3, "x"]]]}},
        {"area": [1]},
        {"public_date": "soon"},
        {"observation_day": "yesterday"},
        {"site_id": ""},
        {"version_set": []},
        {"version_set": [version, version]},
        {"headers": None},
        {"exposure_time": "long"},
        {"target_name": "x" * 257},
        {"target_name": ["M 31"]},
    ):
        refused = await posted(ingester, "frames", record(basename, version, **changes), 400)
        assert list(refused) == [next(iter(changes))], changes
    assert await world.database["frames"].count_documents({"_id": {"$in": [basename, f"../{basename}"]}}) == 0
    await posted(ingester, "frames", record(basename, version))  # what is right is taken after all


async def test_files_and_sites_of_others_are_refused(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=9))
    async with world.client("other") as other, world.client("stranger") as stranger, world.client("everywhere") as all_:
        # A site that is not theirs; a file that somebody else stored.
        reply = await other.post("/api/frames/", json=record(basename, version))
        assert (reply.status_code, body_of(reply)["detail"]) == (403, "You may not add files of site 'tst'.")
        refused = await posted(all_, "frames", record(basename, version), 400)
        assert refused["version_set"] == ["key: You have stored no file here under this key."]
        reply = await all_.post("/api/frames/", json=record("people_1", version, site_id="uploads"))
        assert reply.status_code == 403
        for client in (stranger,):
            for method, route in (
                ("POST", "frames"),
                ("POST", "thumbnails"),
                ("GET", "versions"),
                ("GET", "ocs-store"),
            ):
                reply = await client.request(method, f"/api/{route}/")
                assert (reply.status_code, body_of(reply)) == FORBIDDEN
        # A frame of another site is not taken over, not even by who may add to both.
        await world.add_frames(frame_document("shared_name", site="oth"))
        theirs = await stored(await store_keys(all_), "x/shared_name.fits", plain_fits())
        refused = await posted(all_, "frames", record("shared_name", theirs), 400)
        assert refused["basename"] == ["The frame belongs to site 'oth', not to 'tst'."]
        small = await stored(keys, "x/shared_name-small.jpg", JPEG + b"1")
        assert list(await posted(ingester, "thumbnails", picture("shared_name", small), 400)) == ["frame_basename"]
    async with world.client() as nobody:
        for method, route in THEIRS:
            assert (await nobody.request(method, f"/api/{route}/")).status_code == 401


async def test_how_to_read_a_file_is_told_only_to_who_may(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=16))
    frame = await posted(ingester, "frames", record(basename, version))
    whole = frame["version_set"][0]
    await world.add_user("both", ingests=["oth"], proposals=["P1"])

    async def told(client):
        answer = body_of(await client.get("/api/versions/", params={"md5": version["md5"]}))
        assert answer["count"] == 1
        (result,) = answer["results"]
        assert (result["id"], result["md5"]) == (whole["id"], version["md5"])
        return result["key"], result["url"]

    async with world.client("other") as other, world.client("both") as both, httpx.AsyncClient() as plain:
        assert await told(other) == ("", "")
        for client in (ingester, both):
            key, url = await told(client)
            assert key == whole["key"]
            assert (await plain.get(url)).status_code == 200
        await world.database["frames"].update_one({"_id": basename}, {"$set": {"public_date": utc_now()}})
        assert (await told(other))[0] == whole["key"]


async def test_the_door_takes_only_what_is_signed_by_who_may(world, keys):
    objects = [each.key async for each in world.core.objects.list("recorded/")]
    async with world.client("stranger") as stranger:
        reply = await stranger.get("/api/ocs-store/")
        assert reply.status_code == 403
    stolen = {**keys, "AWS_SECRET_ACCESS_KEY": "0" * 64}
    unknown = {**keys, "AWS_ACCESS_KEY_ID": "0" * 64}
    late = datetime.now(UTC) - timedelta(minutes=20)
    for reply, status, code in (
        (await put(stolen, "x/a.fits", b"1"), 403, "SignatureDoesNotMatch"),
        (await put(unknown, "x/a.fits", b"1"), 403, "SignatureDoesNotMatch"),
        (await put(keys, "x/a.fits", b"1", body=b"2"), 403, "XAmzContentSHA256Mismatch"),
        (await put(keys, "x/a.fits", b"1", at=late), 403, "RequestTimeTooSkewed"),
        (await put(keys, "x/a.fits", b"1", authorization="AWS4-HMAC-SHA256 x"), 403, "AccessDenied"),
        (await put({**keys, "BUCKET": "photonranch"}, "x/a.fits", b"1"), 403, "NoSuchBucket"),
        (await put(keys, "x/a.fits", b"1" * 200_001), 413, "InvalidRequest"),
        (await put(keys, f"x/{'a' * 300}", b"1"), 400, "InvalidRequest"),
    ):
        assert (reply.status_code, code in reply.text) == (status, True), (reply.status_code, reply.text)
    assert [each.key async for each in world.core.objects.list("recorded/")] == objects


async def test_a_body_in_pieces_is_stored_as_it_is(keys):
    pieces = b"4\r\nSIMP\r\n2\r\nLE\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    reply = await put(keys, "x/a.fits", b"SIMPLE", body=pieces, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    assert (reply.status_code, reply.headers["ETag"]) == (200, f'"{md5_of(b"SIMPLE")}"')


async def test_keys_end_with_their_token(world):
    await world.add_user("gone", ingests=["tst"])
    async with world.client("gone") as client, world.client("root") as root:
        keys = await store_keys(client)
        assert (await put(keys, "x/a.fits", b"1")).status_code == 200
        await root.patch("/api/users/gone/", json={"ingests": []})
        reply = await put(keys, "x/a.fits", b"1")
        assert (reply.status_code, "AccessDenied" in reply.text) == (403, True)
        await root.patch("/api/users/gone/", json={"ingests": ["tst"]})
        await root.delete("/api/users/gone/tokens/")
        reply = await put(keys, "x/a.fits", b"1")
        assert (reply.status_code, "InvalidAccessKeyId" in reply.text) == (403, True)


async def test_what_nobody_told_of_goes_after_a_while_and_what_is_a_frames_stays(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=10))
    frame = await posted(ingester, "frames", record(basename, version))
    forgotten = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=11))
    files = world.database["ingester_files"]
    # As if whoever asked had gone before the answer of ingest came.
    untold = await files.find_one({"_id": forgotten["key"]})
    key = frame["version_set"][0]["key"]
    await files.insert_one({**untold, "_id": version["key"], "key": key, "frame": basename})
    await files.update_many({}, {"$set": {"created": utc_now() - timedelta(days=3)}})
    await world.service(IngesterStore).forget_untold()
    assert await files.count_documents({}) == 0
    assert await world.core.objects.stat(key) is not None
    assert await world.core.objects.stat(untold["key"]) is None


async def test_a_wrong_retry_takes_no_file_from_its_frame(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=14))
    files = world.database["ingester_files"]
    entry = await files.find_one({"_id": version["key"]})
    frame = await posted(ingester, "frames", record(basename, version))
    key = frame["version_set"][0]["key"]
    # As if the answer of ingest had been lost: the entry stays.
    await files.insert_one({**entry, "frame": basename})
    other = basename.replace("-e91", "-e90")
    refused = await posted(ingester, "frames", record(other, version), 400)
    assert refused["version_set"] == ["md5: version with this md5 already exists."]
    assert await world.core.objects.stat(key) is not None
    assert await files.find_one({"_id": version["key"]}) is None
    # Not even where the entry names another frame.
    await files.insert_one({**entry, "frame": other, "created": utc_now() - timedelta(days=3)})
    await world.service(IngesterStore).forget_untold()
    assert await world.core.objects.stat(key) is not None
    assert await files.find_one({"_id": version["key"]}) is None


async def test_a_refused_record_changes_nothing_of_what_was_told_before(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", fits(NUMBER=15))
    files = world.database["ingester_files"]
    other = basename.replace("-e91", "-e90")
    await posted(ingester, "frames", record(other, version), 400)
    assert (await files.find_one({"_id": version["key"]}))["frame"] is None
    small = await stored(keys, f"x/{basename}-small.jpg", JPEG + b"claimed")
    await files.update_one({"_id": small["key"]}, {"$set": {"frame": other}})
    await posted(ingester, "frames", record(basename, version))
    refused = await posted(ingester, "thumbnails", picture(basename, small), 400)
    assert refused["version_set"] == ["key: The file stored under it was told of already, for another frame."]
    assert (await files.find_one({"_id": small["key"]}))["frame"] == other
    await files.delete_one({"_id": small["key"]})


async def test_a_file_that_is_no_fits_is_refused_with_the_reason(world, ingester, keys, basename):
    version = await stored(keys, f"x/{basename}.fits.fz", b"no FITS at all" * 300)
    refused = await posted(ingester, "frames", record(basename, version), 400)
    assert refused["detail"]
    assert await world.database["frames"].find_one({"_id": basename}) is None
    assert await known(ingester, version["md5"]) == 0


async def test_without_ingest_the_ingester_is_told_to_come_again(module_settings_environment, world, monkeypatch):
    monkeypatch.setattr("session_api.uploads.ingesters.service._WAIT_S", 0.0)
    async with world.client("ingester") as ingester:
        keys = await store_keys(ingester)
        version = await stored(keys, "x/later_1.fits", plain_fits(NUMBER=12))
        reply = await ingester.post("/api/frames/", json=record("later_1", version))
        assert (reply.status_code, "try again" in reply.text) == (503, True)
        monkeypatch.undo()
        assert (await ingester.post("/api/frames/", json=record("later_1", version))).status_code == 201
