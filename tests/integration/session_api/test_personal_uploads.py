"""People's own files: sent in parts, private, counted when they are FITS."""

import asyncio
import hashlib
from datetime import timedelta

import httpx
import pytest

from datalab.client.rest import Datalab
from datalab.client.uploads import send_file, settled
from datalab.events.envelope import utc_now
from datalab.events.frames import FileUploaded, FrameRemovalRequested
from datalab.platform.objects.errors import ObjectNotFoundError
from session_api.uploads.personal.service import PersonalUploadService
from support.fits_files import plain_fits
from support.ingest_service import running, settings_for_tests
from support.session_api import MEDIAN, archive, body_of, frame_document, running_world
from support.waiting import until

PART = 4096
UPLOAD = "/api/frames/upload"
FILE = plain_fits(OBJECT="M 31", PROPID="P1", L1PUBDAT="2020-01-01T00:00:00")


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    limits = {"upload_part_bytes": PART, "upload_quota_files": 4, "upload_quota_bytes": 100_000}
    async with (
        running_world(module_settings_environment, **limits) as world,
        running(settings_for_tests(tmp_path_factory.mktemp("scratch"), http_port=0, open_sites=["*"])),
    ):
        for name in ("alice", "bob", "carol", "dave", "frank"):
            await world.add_user(name, proposals=["P1"])
        await world.add_user("root", superuser=True)
        await world.add_frames(frame_document("theirs", site="abc"))
        await world.describe(MEDIAN)
        yield world


def announced(content, name="M 31 [Ha].FIT", **more):
    return {"file_name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}


async def begun(client, content, **more):
    reply = await client.post(f"{UPLOAD}/", json=announced(content, **more))
    assert reply.status_code == 201, reply.text
    return body_of(reply)


async def send_parts(client, upload, content, numbers=None):
    for number in numbers or upload["missing"]:
        part = content[(number - 1) * PART : number * PART]
        reply = await client.put(f"{UPLOAD}/{upload['id']}/parts/{number}", content=part)
        assert reply.status_code == 200, reply.text
        assert body_of(reply)["sha256"] == hashlib.sha256(part).hexdigest()


async def uploaded(client, content, **more):
    """Send a file, and return what has become of it."""
    upload = await begun(client, content, **more)
    await send_parts(client, upload, content)
    reply = await client.post(f"{UPLOAD}/{upload['id']}/complete/")
    assert reply.status_code == 200, reply.text

    async def settled():
        seen = body_of(await client.get(f"{UPLOAD}/{upload['id']}"))
        return seen if seen["state"] in {"ingested", "refused"} else None

    return await until(settled)


async def test_a_file_becomes_a_frame_that_is_its_owners_alone(world):
    async with world.client("alice") as alice, world.client("bob") as bob, world.client("root") as root:
        upload = await uploaded(alice, FILE)
        assert (upload["state"], upload["frame"], upload["file_name"]) == (
            "ingested",
            "alice~M 31 _Ha_",
            "M 31 [Ha].FIT",
        )
        frame = await world.database["frames"].find_one({"_id": upload["frame"]})
        # Neither the header's proposal nor its date, nor an open site, gives it to others.
        assert (frame["proposal_id"], frame["public_date"], frame["target_name"]) == ("~alice", None, "M 31")
        header = await world.database["frame_headers"].find_one({"_id": frame["header_id"]})
        assert header["cards"]["PROPID"] == "P1"
        assert frame["files"]["fits"]["key"].startswith("people/alice/upload-")
        inputs = {"input_files": [archive(upload["frame"]), archive("theirs")]}
        for client, status in ((alice, 201), (bob, 400), (root, 201)):
            session_id = await world.session(client)
            reply = await client.post(
                f"/api/datasessions/{session_id}/operations/", json={"name": "Median", "input_data": inputs}
            )
            assert reply.status_code == status, reply.text
        # Shared by an operator: whoever is given the proposal of the user's own reads what is in it.
        session_id = await world.session(bob)
        await root.patch("/api/users/bob/", json={"proposals": ["P1", "~alice"]})
        reply = await bob.post(
            f"/api/datasessions/{session_id}/operations/", json={"name": "Median", "input_data": inputs}
        )
        assert reply.status_code == 201, reply.text
        await root.patch("/api/users/bob/", json={"proposals": ["P1"]})
        for method, path in (("GET", ""), ("PUT", "/parts/1"), ("POST", "/complete"), ("DELETE", "")):
            reply = await bob.request(method, f"{UPLOAD}/{upload['id']}{path}")
            assert (reply.status_code, body_of(reply)) == (404, {"detail": "No Upload matches the given query."})
        assert body_of(await bob.get(UPLOAD))["count"] == 0
        assert body_of(await alice.get(UPLOAD))["results"][0]["id"] == upload["id"]
        assert [key async for key in world.core.objects.list("incoming/")] == []
    assert world.caused.seen["POST", "/api/frames/upload/{upload_id}/complete"] == {FileUploaded}


async def test_an_upload_goes_on_where_it_was_left(world):
    content = FILE + b"\0" * 2880
    async with world.client("bob") as bob:
        first = await begun(bob, content)
        assert (first["part_count"], first["missing"]) == (3, [1, 2, 3])
        await send_parts(bob, first, content, [3, 1])
        reply = await bob.post(f"{UPLOAD}/{first['id']}/complete")
        assert (reply.status_code, body_of(reply)["detail"]) == (409, "1 parts have still to come, the first is 2.")
        again = await begun(bob, content)
        assert (again["id"], again["missing"]) == (first["id"], [2])
        upload = await uploaded(bob, content)
        assert (upload["id"], upload["state"]) == (first["id"], "ingested")
        assert (await begun(bob, content))["state"] == "ingested"  # nothing to send
        both = await asyncio.gather(*(bob.post(f"{UPLOAD}/{first['id']}/complete") for _ in range(2)))
        assert [body_of(reply)["state"] for reply in both] == ["ingested"] * 2
        late = await bob.put(f"{UPLOAD}/{first['id']}/parts/1", content=content[:PART])
        assert (late.status_code, body_of(late)["detail"]) == (409, "The upload is complete.")


async def test_what_is_not_the_announced_file_is_sent_again(world):
    async with world.client("bob") as bob:
        upload = await begun(bob, FILE, name="damaged.fits")
        for content, status in ((b"x" * 10, 400), (b"x" * (PART + 1), 413), (b"x" * PART, 200)):
            reply = await bob.put(f"{UPLOAD}/{upload['id']}/parts/1", content=content)
            assert reply.status_code == status, reply.text
        await send_parts(bob, upload, FILE, upload["missing"][1:])
        reply = await bob.post(f"{UPLOAD}/{upload['id']}/complete")
        assert (reply.status_code, body_of(reply)["detail"][:20]) == (400, "The file has SHA-256")
        again = await begun(bob, FILE, name="damaged.fits")
        assert (again["id"], again["missing"]) == (upload["id"], upload["missing"])
        assert (await bob.delete(f"{UPLOAD}/{upload['id']}/")).status_code == 204
        assert (await bob.get(f"{UPLOAD}/{upload['id']}/")).status_code == 404


async def test_what_is_no_fits_is_refused_and_does_not_count(world):
    async with world.client("carol") as carol:
        for number in range(6):  # more than the quota has
            upload = await uploaded(carol, b"no FITS at all, number %d" % number, name="holiday.fits")
            assert (upload["state"], upload["frame"]) == ("refused", None)
            assert "not a FITS file" in upload["reason"]
        document = await world.database["uploads"].find_one({"_id": upload["id"]})
        with pytest.raises(ObjectNotFoundError):
            await world.core.objects.get_bytes(document["key"], max_bytes=100)
        assert (await uploaded(carol, FILE, name="good.fits"))["state"] == "ingested"


async def test_a_user_has_a_quota_of_files_and_of_bytes(world):
    async with world.client("dave") as dave:
        reply = await dave.post(UPLOAD, json=announced(b"x" * 100_001, name="large.fits"))
        assert (reply.status_code, body_of(reply)["detail"][:34]) == (403, "There is no room for the file: you")
        starts = [dave.post(UPLOAD, json=announced(b"%d" % number, name="f.fits")) for number in range(4)]
        assert [reply.status_code for reply in await asyncio.gather(*starts)] == [201] * 4
        reply = await dave.post(UPLOAD, json=announced(b"one more", name="f.fits"))
        assert "you have 4 files with 4 bytes; 4 files with 100000 bytes are allowed" in body_of(reply)["detail"]
        assert body_of(await dave.get(UPLOAD))["count"] == 4


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"file_name": "../../x.fits"}, 400, "is no FITS file by its name"),
        ({"file_name": "a\\b.fits"}, 400, "is no FITS file by its name"),
        ({"file_name": "a\nb.fits"}, 400, "is no FITS file by its name"),
        ({"file_name": ".fits"}, 400, "is no FITS file by its name"),
        ({"file_name": "holiday.jpg"}, 400, "is no FITS file by its name"),
        ({"file_name": "x" * 201}, 400, "no more than 200 characters"),
        ({"size_bytes": 0}, 400, "greater than 0"),
        ({"size_bytes": 5 * 1024**3}, 413, "The file is too large"),
        ({"sha256": "abc"}, 400, "This has to be 64 hexadecimal digits"),
        ({"site": "tst"}, 403, "You do not have permission"),
    ],
)
async def test_what_cannot_be_uploaded_is_refused_in_words(world, changes, status, words):
    async with world.client("bob") as bob:
        reply = await bob.post(UPLOAD, json={**announced(FILE), **changes})
    assert reply.status_code == status
    assert words in reply.text


async def test_an_operator_sends_files_of_a_site(world):
    name = "tst-cam01-20261129-00000042-EX00.fits"
    async with world.client("root") as root:
        for content in (FILE, FILE + b"\0" * 2880, FILE):
            upload = await uploaded(root, content, name=name, site="tst")
            assert (upload["state"], upload["frame"]) == ("ingested", "tst-cam01-20261129-00000042")
        assert await world.database["file_versions"].count_documents({"key": f"data/{name}"}) == 2
        for changes, words in (
            ({"site": "abc"}, "says site 'tst', not 'abc'"),
            ({"name": "theirs.fits"}, "frame 'theirs' belongs to site 'abc', not to 'tst'"),
        ):
            reply = await root.post(UPLOAD, json=announced(FILE, **{"name": name, "site": "tst", **changes}))
            assert reply.status_code in {400, 403}
            assert words in reply.text
    with pytest.raises(ObjectNotFoundError):
        await world.core.objects.get_bytes("data/theirs.fits", max_bytes=10)


async def test_uploads_nobody_goes_on_with_are_forgotten(world):
    service = world.service(PersonalUploadService)
    async with world.client("root") as root:
        upload = await begun(root, FILE, name="left.fits")
        await send_parts(root, upload, FILE, [1])
        assert await service.forget_abandoned() == 0
        past = utc_now() - timedelta(days=8)
        await world.database["uploads"].update_one({"_id": upload["id"]}, {"$set": {"modified": past}})
        assert await service.forget_abandoned() == 1
        assert (await root.get(f"{UPLOAD}/{upload['id']}")).status_code == 404
    assert [key async for key in world.core.objects.list(f"incoming/{upload['id']}/")] == []


class LeftError(Exception):
    pass


async def test_the_client_goes_on_after_an_outage_and_when_it_is_started_anew(world, tmp_path):
    path = tmp_path / "again.fits"
    path.write_bytes(plain_fits(OBJECT="again"))
    seen = []

    def leave(arrived):
        seen.append(arrived)
        if len(seen) == 2:  # what had arrived before, and the first part
            raise LeftError

    class Stuttering(httpx.AsyncBaseTransport):
        """Answers every second request with an outage, after the first one."""

        def __init__(self, inner):
            self.inner, self.count = inner, 0

        async def handle_async_request(self, request):
            self.count += 1
            return httpx.Response(503) if self.count % 2 == 0 else await self.inner.handle_async_request(request)

        async def aclose(self):
            await self.inner.aclose()

    async with Datalab(world.url, world.tokens["root"]) as root:
        with pytest.raises(LeftError):
            await send_file(root, path, on_progress=leave)
        root.http._transport = Stuttering(root.http._transport)
        arrived = []
        upload = await send_file(root, path, on_progress=arrived.append)
        assert (seen, arrived[0], sum(arrived)) == ([0, PART], PART, path.stat().st_size)
        settled_ = await settled(root, upload, within_s=60)
        assert (settled_["state"], settled_["frame"]) == ("ingested", "root~again")
        assert (await send_file(root, path))["id"] == upload["id"]


async def test_nobody_inherits_the_files_of_a_deleted_user(world):
    await world.add_user("erin")
    async with world.client("erin") as erin, world.client("root") as root:
        assert (await uploaded(erin, FILE))["state"] == "ingested"
        assert (await root.delete("/api/users/erin/")).status_code == 204
        past = utc_now() - timedelta(days=30)
        await world.database["users"].update_one({"_id": "erin"}, {"$set": {"deleted_at": past}})
        await world.work("deleted users")
        assert (await root.post("/api/users/", json={"username": "erin"})).status_code == 400


async def test_a_frame_that_is_removed_gives_its_room_back(world):
    async with world.client("frank") as frank:
        upload = await uploaded(frank, FILE, name="room.fits")
        frame = await world.database["frames"].find_one({"_id": upload["frame"]})
        (file,) = frame["files"].values()
        await world.bus.publish(
            FrameRemovalRequested(frame_id=frame["frame_id"], basename=frame["_id"], requested_by="frank")
        )

        async def forgotten():
            return (await frank.get(f"{UPLOAD}/{upload['id']}")).status_code == 404

        await until(forgotten)
        assert await world.database["frames"].find_one({"_id": upload["frame"]}) is None
        assert await world.core.objects.stat(file["key"]) is None
