"""The open route takes in so much, and says so in a way that the software of observatories survives."""

import json
from itertools import count

import pytest

from session_api.uploads.service import UploadService
from session_api.uploads.settings import UploadSettings
from support.observatory_client import ObservatoryClient
from support.session_api import body_of, running_world

MIB = 1024**2
_counter = count(1)


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    limits = {
        "upload_site_forms_per_minute": 40,
        "upload_address_forms_per_minute": 60,
        "upload_site_bytes_per_minute": 4 * MIB,
        "upload_address_bytes_per_minute": 100 * MIB,
    }
    async with running_world(module_settings_environment, open_upload_sites=["*"], **limits) as world:
        yield world


@pytest.fixture
def clock(world, monkeypatch):
    """The clock of the limits: a test that has used them up goes on a minute later."""
    limits = world.service(UploadService)._limits
    now = [0.0]
    for allowance in vars(limits).values():
        monkeypatch.setattr(allowance, "_clock", lambda: now[0])
        allowance._left.clear()
    return now


@pytest.fixture
async def anybody(world):
    async with world.client() as client:
        yield client


def name(site="tst"):
    return f"{site}-cam01-20261129-{next(_counter):08d}-EX10.jpg"


async def ask(client, site="tst"):
    return await client.post("/api//upload/", content=json.dumps({"object_name": name(site)}))


async def test_a_site_that_sends_too_much_is_asked_to_wait_and_others_are_served(clock, anybody):
    assert [(await ask(anybody)).status_code for _ in range(40)] == [200] * 40
    reply = await ask(anybody)
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "2")  # 40 a minute: one in 1.5 s
    assert body_of(reply) == {
        "detail": "Too many requests: too many files of site 'tst' in a minute; try again in 2 s."
    }
    assert (await ask(anybody, "mrc")).status_code == 200
    clock[0] += 2
    assert (await ask(anybody)).status_code == 200


async def test_an_address_that_sends_for_many_sites_is_asked_to_wait(clock, anybody):
    sites = [f"s{number:03d}" for number in range(61)]
    statuses = [(await ask(anybody, site)).status_code for site in sites]
    assert statuses == [200] * 60 + [429]


async def test_bytes_are_counted_and_a_form_that_was_given_is_honoured(world, clock):
    client = ObservatoryClient(world)
    large = b"\xff\xd8" + bytes(5 * MIB)
    assert await client.send(name(), large) == b""
    assert client.reply.status == 204
    # The software of observatories does not look at the status. An object without a link is an exception to it, and
    # the file goes back into its queue; a bare text would have it drop the file.
    with pytest.raises(KeyError):
        await client.send(name(), b"\xff\xd8 more")
    assert (client.reply.status, client.reply.getheader("Retry-After")) == (429, "16")  # 1 MiB at 4 MiB a minute
    clock[0] += 16
    assert await client.send(name(), b"\xff\xd8 more") == b""


async def test_a_form_is_taken_although_its_site_has_sent_too_much_meanwhile(world, clock, anybody):
    early = body_of(await ask(anybody))
    await ObservatoryClient(world).send(name(), bytes(5 * MIB))
    reply = await anybody.post(early["url"], data=early["fields"], files={"file": ("x.jpg", b"\xff\xd8 early")})
    assert reply.status_code == 204


def test_a_full_camera_room_is_not_held_up():
    """Thirty cameras, each four files every ten seconds."""
    assert (
        min(UploadSettings().upload_site_forms_per_minute, UploadSettings().upload_address_forms_per_minute)
        > 30 * 4 * 6
    )
