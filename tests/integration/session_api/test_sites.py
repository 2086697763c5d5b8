"""What sites say of themselves: stored as they send it, answered as their software expects, kept from others."""

import json

import httpx
import pytest

from datalab.errors import OutageError
from session_api.sites.service import SiteService
from support.session_api import body_of, running_world

CONFIGURATION = {
    "site": "tst",
    "wema_name": "tst",
    "latitude": 31.33,
    "elevation": 20.0,
    "events": {"Sun Set": 46_354.0621, "day_directory": "20261129"},
    "$odd.name": {"$ref": "a", "$id": 1, "": None, "a.b": [2**53, -0.5, "Ü", True]},
}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(
        module_settings_environment, open_upload_sites=["tst", "abc"], max_answer_bytes=100_000
    ) as world:
        await world.add_user("root", superuser=True)
        await world.add_user("ada")
        yield world


@pytest.fixture
async def observatory(world):
    """Nobody in particular; every answer is compared with the OpenAPI document."""
    await world.database["site_configs"].delete_many({})
    async with world.client() as client:
        yield client


async def put(client, configuration=CONFIGURATION, path="/api/tst/config/", *, content=None):
    """Send it as `requests.put(url, data=json.dumps(body))` does: no Content-Type."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    request = client.build_request("PUT", url, content=json.dumps(configuration) if content is None else content)
    request.headers.pop("Content-Type", None)
    return await client.send(request)


def check_done(reply):
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json"), reply.text
    metadata = body_of(reply)["ResponseMetadata"]
    assert metadata.pop("RequestId")
    assert metadata == {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}


@pytest.mark.parametrize("path", ["/tst/config", "/api/tst/config/", "/dev//tst//config/", "/test/tst/config"])
async def test_a_configuration_is_read_as_it_was_sent(observatory, path):
    check_done(await put(observatory, path=path))
    reply = await observatory.get(path.replace("//", "/"))
    assert body_of(reply) == {"site": "tst", "configuration": CONFIGURATION}
    assert list(body_of(reply)["configuration"]) == list(CONFIGURATION)


async def test_it_replaces_the_former_one_as_a_whole(observatory):
    await put(observatory)
    check_done(await put(observatory, {"latitude": 1}))
    assert body_of(await observatory.get("/tst/config"))["configuration"] == {"latitude": 1}


async def test_all_are_read_at_once_and_not_again_when_nothing_changed(observatory):
    assert body_of(await observatory.get("/all/config/")) == {}
    await put(observatory)
    await put(observatory, {"instance_type": "wema"}, "/abc/config")
    reply = await observatory.get("/api/all/config")
    assert body_of(reply) == {"abc": {"instance_type": "wema"}, "tst": CONFIGURATION}
    again = await observatory.get("/all/config", headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "No data provided"),
        ("{", "JSON parse error"),
        ("hello", "JSON parse error"),
        ('{"latitude": NaN}', "NaN is not JSON"),
        ("[]", "Expected a dictionary"),
        ("null", "No data provided"),
        ('"x"', "Expected a dictionary"),
    ],
)
async def test_what_is_no_configuration_leaves_the_former_one(observatory, content, said):
    await put(observatory)
    reply = await put(observatory, content=content)
    assert reply.status_code == 400
    assert said in reply.json()["message"]
    assert body_of(await observatory.get("/tst/config"))["configuration"] == CONFIGURATION


async def test_an_unknown_site_is_told_as_json(observatory):
    reply = await observatory.get("/api/mrc/config/")
    assert (reply.status_code, reply.json()) == (404, {"message": "There is no configuration of site 'mrc'."})


async def test_a_configuration_is_forgotten_however_often(observatory):
    await put(observatory)
    for _ in range(2):
        check_done(await observatory.delete("/api/tst/config/"))
    assert (await observatory.get("/tst/config")).status_code == 404


@pytest.mark.parametrize("user", [None, "ada"])
async def test_sites_that_are_not_open_are_left_to_those_who_may(world, observatory, user):
    async with world.client(user) as client, world.client("root") as root:
        check_done(await put(root, path="/mrc/config"))
        for reply in (await put(client, {}, "/mrc/config"), await client.delete("/mrc/config")):
            assert reply.status_code == 403
            assert reply.json()["message"].startswith("The configuration of site 'mrc' is taken from its own software")
        assert body_of(await client.get("/mrc/config"))["configuration"] == CONFIGURATION
        check_done(await root.delete("/mrc/config"))


@pytest.mark.parametrize("site", ["all", "api", "prod", "a.b", "%24x", "x" * 65, "a%20b"])
async def test_what_cannot_be_a_site_gets_no_configuration(world, site):
    async with world.client("root") as root:
        reply = await put(root, path=f"/dev/{site}/config")
        assert reply.status_code == 400
        assert "No site is called" in reply.json()["message"]
        assert (await root.delete(f"/dev/{site}/config")).status_code == 400
    assert await world.database["site_configs"].count_documents({}) == 0


async def test_together_they_are_no_more_than_one_answer(observatory):
    await put(observatory)
    reply = await put(observatory, {"x": "y" * 100_000}, "/abc/config")
    assert reply.status_code == 413
    assert "too large" in reply.json()["message"]
    assert list(body_of(await observatory.get("/all/config"))) == ["tst"]
    reply = await put(observatory, {"x": "y" * 1024**2}, "/abc/config")
    assert reply.status_code == 413
    assert "too large" in reply.json()["detail"]


async def test_words_in_the_place_of_a_site_are_not_taken_for_one(world, observatory):
    reply = await observatory.get("/image/config")
    assert (reply.status_code, reply.text) == (404, "No results found for config")
    assert (await observatory.put("/image/config", content="{}")).status_code == 400


async def test_while_the_store_is_away_the_answer_is_json_all_the_same(world, observatory, monkeypatch):
    async def away(*_):
        raise OutageError("the document store does not answer")

    monkeypatch.setattr(world.service(SiteService)._sites, "sizes_of_others", away)
    reply = await put(observatory)
    assert (reply.status_code, reply.json()) == (
        503,
        {"detail": "Temporarily unavailable: the document store does not answer."},
    )
