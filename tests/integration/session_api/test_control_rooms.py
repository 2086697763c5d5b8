"""Control rooms: one for each site, however many ask at once in however many processes."""

import asyncio
from datetime import timedelta

import pytest
import structlog

from datalab.events.envelope import utc_now
from session_api.control_rooms.repository import ControlRoomRepository
from session_api.web.user import User
from support.remotehq_server import BAD_DAYS, TOKEN, running_remotehq
from support.session_api import body_of, running_world

ROOT = User("root", superuser=True)


@pytest.fixture(scope="module")
def remotehq():
    with running_remotehq() as server:
        yield server


@pytest.fixture(scope="module")
async def worlds(module_settings_environment, remotehq):
    """Two processes' worth of the application with rooms of RemoteHQ, on the same servers."""
    settings = {
        "open_upload_sites": ["tst"],
        "control_room_provider": "remotehq",
        "remotehq_url": remotehq.url,
        "remotehq_token": TOKEN,
        "remotehq_timeout_s": 0.5,
        "control_room_restart_hours": {},
    }
    async with (
        running_world(module_settings_environment, **settings) as first,
        running_world(module_settings_environment, **settings) as second,
    ):
        await first.add_user("ada")
        await first.add_user("mrc-camera", ingests=["mrc"])
        await first.add_user("root", superuser=True)
        second.tokens = first.tokens
        yield first, second


@pytest.fixture
async def world(worlds, remotehq):
    """The first of them, without rooms, on a good day."""
    remotehq.day = "good"
    remotehq.asked.clear()
    remotehq.rooms.clear()
    await worlds[0].database["control_rooms"].delete_many({})
    return worlds[0]


@pytest.fixture
async def ada(world):
    async with world.client("ada") as client:
        yield client


def room_of(reply):
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def test_a_room_is_made_as_remotehq_wants_it_and_found_again(ada, remotehq):
    room = room_of(await ada.get("/api/control_room/mrc/"))
    config = {
        "url": "https://dev.photonranch.org/cr/mrc",
        "region": "us-west-1",
        "kioskModeEnabled": True,
        "incognitoModeEnabled": False,
    }
    assert room == {
        "site": "mrc",
        "slug": "control-room-mrc-1",
        "room_id": "room-1",
        "url": "https://rooms.example/control-room-mrc-1",
        "config": config,
        "is_deleted": False,
    }
    assert room_of(await ada.get("/control_room/mrc")) == room
    (removed, made, shown) = remotehq.asked
    assert removed == ("DELETE", "/v1/rooms/control-room-mrc", None)
    assert made[:2] == ("POST", "/v1/rooms")
    assert {name: made[2][name] for name in ("name", "allowGuestAccess", "videoConferenceEnabled", "type")} == {
        "name": "control-room-mrc",
        "allowGuestAccess": True,
        "videoConferenceEnabled": True,
        "type": "collaboration",
    }
    assert shown == (
        "PUT",
        "/v1/rooms/control-room-mrc-1/room-app-config",
        {"id": "com.remotehq.app.cloudbrowser", "permissionMode": "editable", "autoStart": True, "config": config},
    )
    assert remotehq.tokens == {f"Bearer {TOKEN}"}


async def test_all_who_ask_at_once_get_the_same_room(worlds, world, remotehq):
    async with worlds[0].client("ada") as here, worlds[1].client("root") as there:
        replies = await asyncio.gather(*(client.get("/control_room/mrc") for client in (here, there) * 10))
    assert len({room_of(reply)["url"] for reply in replies}) == 1
    assert remotehq.opened == 1


async def test_all_who_restart_at_once_get_a_new_one(worlds, world, remotehq):
    async with worlds[0].client("root") as here, worlds[1].client("root") as there:
        before = room_of(await here.get("/control_room/mrc"))
        replies = await asyncio.gather(*(client.get("/control_room/mrc/restart") for client in (here, there)))
        assert [reply.text for reply in replies] == ["control room restarted successfully"] * 2
        after = room_of(await there.get("/control_room/mrc"))
    assert after["url"] != before["url"]
    assert list(remotehq.rooms) == [after["slug"]], "the former one is no more"


async def test_those_of_the_site_close_the_room_and_others_do_not(world, ada, remotehq):
    await ada.get("/control_room/mrc")
    for path, method in (("/control_room/mrc", "DELETE"), ("/control_room/mrc/restart", "GET")):
        reply = await ada.request(method, path)
        assert (reply.status_code, reply.text[:31]) == (403, "The control room of site 'mrc' ")
    async with world.client("mrc-camera") as camera:
        assert (await camera.delete("/dev/control_room/mrc/")).text == "room has been deleted"
        assert (await camera.delete("/dev/control_room/mrc/")).text == "no such room found"
        reply = await camera.get("/control_room/mrc/restart")
        assert (reply.status_code, reply.text) == (404, "no control room found for site mrc")
    assert remotehq.rooms == {}


async def test_nobody_in_particular_finds_rooms_of_open_sites_only(world):
    async with world.client() as nobody:
        assert room_of(await nobody.get("/control_room/tst"))["site"] == "tst"
        assert (await nobody.get("/control_room/tst/restart")).text == "control room restarted successfully"
        assert (await nobody.delete("/control_room/tst")).text == "room has been deleted"
        reply = await nobody.get("/control_room/mrc")
        assert (reply.status_code, reply.text) == (
            403,
            "The control room of site 'mrc' is shown to users only, with a token.",
        )
        assert (await nobody.post("/new_remotehq_browser", json={})).status_code == 401


@pytest.mark.parametrize("site", ["a.b", "x" * 65, "a%20b", "%F0%9F%94%AD", "..%2F"])
async def test_what_cannot_be_a_site_has_no_room(ada, remotehq, site):
    reply = await ada.get(f"/control_room/{site}")
    assert reply.status_code in {400, 404}
    assert remotehq.asked == []


@pytest.mark.parametrize("day", BAD_DAYS)
async def test_on_a_bad_day_of_remotehq_clients_are_told_and_the_next_day_is_good(world, ada, remotehq, day):
    remotehq.day = day
    with structlog.testing.capture_logs() as logged:
        reply = await ada.get("/control_room/mrc")
    assert (reply.status_code, reply.text) == (500, "failed to get room")
    assert TOKEN not in str(logged)
    assert remotehq.tokens == {f"Bearer {TOKEN}"}
    remotehq.day = "good"
    assert room_of(await ada.get("/control_room/mrc"))["site"] == "mrc"


async def test_a_room_remotehq_does_not_end_is_not_forgotten(world, remotehq):
    async with world.client("root") as root:
        room = room_of(await root.get("/control_room/mrc"))
        remotehq.day = "down"
        assert (await root.delete("/control_room/mrc")).status_code == 503
        remotehq.day = "good"
        assert room_of(await root.get("/control_room/mrc")) == room


async def test_a_browser_is_handed_through(ada, remotehq):
    given = {"data": {"instanceURN": "urn:rhq:cb:1", "embedURL": "https://browsers.example/1"}, "error": None}
    assert body_of(await ada.post("/api/new_remotehq_browser")) == given
    assert (
        body_of(await ada.post("/new_remotehq_browser", json={"resolution": "high", "initial_url": "http://a/b"}))
        == given
    )
    asked = [body for _, _, body in remotehq.asked]
    rest = {"region": "us-east-1", "kioskModeEnabled": False, "incognitoModeEnabled": False}
    assert asked == [
        {"browserURL": "https://dev.photonranch.org", "resolution": "medium", **rest},
        {"browserURL": "http://a/b", "resolution": "high", **rest},
    ]


@pytest.mark.parametrize(
    "body", [{"resolution": "best"}, {"resolution": 1}, {"initial_url": "javascript:alert(1)"}, {"initial_url": ""}, []]
)
async def test_what_is_no_browser_is_not_asked_for(ada, remotehq, body):
    assert (await ada.post("/new_remotehq_browser", json=body)).status_code == 400
    assert remotehq.asked == []


async def test_who_ends_half_way_is_followed_by_the_next_who_asks(world, ada, remotehq):
    rooms = ControlRoomRepository(world.database)
    dead = await rooms.begin("mrc", until=utc_now() - timedelta(seconds=1))
    room = room_of(await ada.get("/control_room/mrc"))
    assert remotehq.opened == 1
    # And who was only slow cannot put the room away that is there now.
    assert not await rooms.put_down(dead, None, opened_at=None)
    await rooms.delete(dead)
    assert room_of(await ada.get("/control_room/mrc")) == room
