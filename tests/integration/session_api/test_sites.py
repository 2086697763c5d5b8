"""What sites say of themselves: stored as they send it, answered as their software expects, kept from others."""

import asyncio
import json
from urllib.parse import unquote

import httpx
import pytest
from starlette.routing import Match
from typer.testing import CliRunner

from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app
from datalab.client.rest import Datalab
from datalab.errors import OutageError
from datalab.events.envelope import utc_now
from datalab.events.feed import SiteConfigured
from session_api.sites.model import is_site
from session_api.sites.service import SiteService
from support.routes import described_routes
from support.session_api import ADMIN_TOKEN, body_of, running_world

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
        module_settings_environment,
        open_upload_sites=["tst", "abc"],
        max_answer_bytes=100_000,
        site_config_versions=5,
        site_config_per_minute=10_000,
        site_config_address_per_minute=10_000,
    ) as world:
        await world.add_user("root", superuser=True)
        await world.add_user("ada")
        yield world


@pytest.fixture
async def observatory(world):
    """Nobody in particular; every answer is compared with the OpenAPI document."""
    for name in ("site_configs", "site_config_versions"):
        await world.database[name].delete_many({})
    async with world.client() as client:
        yield client


async def put(client, configuration=CONFIGURATION, path="/api/tst/config/", *, content=None, **headers):
    """Send it as `requests.put(url, data=json.dumps(body))` does: no Content-Type."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    body = json.dumps(configuration) if content is None else content
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = client.build_request("PUT", url, content=body, headers=named)
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


@pytest.mark.parametrize("site", ["all", "api", "prod", "status", "a.b", "%24x", "x" * 65, "a%20b"])
async def test_what_cannot_be_a_site_gets_no_configuration(world, site):
    async with world.client("root") as root:
        reply = await put(root, path=f"/dev/{site}/config")
        assert reply.status_code == 400
        assert "No site is called" in reply.json()["message"]
        assert (await root.delete(f"/dev/{site}/config")).status_code == 400
    assert await world.database["site_configs"].count_documents({"_id": unquote(site)}) == 0


def test_no_site_is_called_as_other_routes_begin(world):
    """It could be given a configuration that nobody could ask for."""
    words = set()
    for word in {path.split("/")[1] for _, path, _ in described_routes(world.app)} - {"{site}", ""}:
        for path in (f"/{word}/config", f"/{word}/config/versions"):
            scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
            first = next(route for route in world.app.routes if route.matches(scope)[0] is Match.FULL)
            if not first.path.startswith("/{site}/"):
                words.add(word)
    assert "status" in words
    assert [word for word in words if is_site(word)] == []


async def test_together_they_are_no_more_than_one_answer(observatory):
    await put(observatory)
    reply = await put(observatory, {"x": "y" * 100_000}, "/abc/config")
    assert reply.status_code == 413
    assert "too large" in reply.json()["message"]
    assert list(body_of(await observatory.get("/all/config"))) == ["tst"]
    reply = await put(observatory, {"x": "y" * 1024**2}, "/abc/config")
    assert reply.status_code == 413
    assert "too large" in reply.json()["detail"]


async def test_of_a_thousand_sites_each_may_go_on_and_no_more_may_come(world, observatory):
    many = [
        {"_id": f"s{number}", "configuration": "{}", "size_bytes": 2, "modified": utc_now()} for number in range(999)
    ]
    await world.database["site_configs"].insert_many(many)
    check_done(await put(observatory, {}))
    reply = await put(observatory, {}, "/abc/config")
    assert (reply.status_code, "as many as are kept" in reply.json()["message"]) == (403, True)
    check_done(await put(observatory, {"n": 1}))
    assert len(body_of(await observatory.get("/all/config"))) == 1000


async def test_words_in_the_place_of_a_site_are_not_taken_for_one(world, observatory):
    reply = await observatory.get("/image/config")
    assert (reply.status_code, reply.text) == (404, "No results found for config")
    assert (await observatory.put("/image/config", content="{}")).status_code == 400


# --- what was before ----------------------------------------------------------------------------------------------


async def versions(client, site="tst"):
    return [each["version"] for each in body_of(await client.get(f"/api/{site}/config/versions"))]


async def test_every_version_is_kept_under_its_number(observatory):
    for number in (1, 2, 3):
        check_done(await put(observatory, {"n": number}))
    check_done(await put(observatory, {"n": 3}))  # sent again, it is the same one
    assert await versions(observatory) == [3, 2, 1]
    for number in (1, 2, 3):
        read = body_of(await observatory.get(f"/api/tst/config?version={number}"))
        assert read == {"site": "tst", "configuration": {"n": number}}
    assert (await observatory.get("/tst/config?version=4")).status_code == 404
    assert (await observatory.get("/mrc/config?version=1")).status_code == 404
    assert (await observatory.get("/mrc/config/versions")).status_code == 404


@pytest.mark.parametrize("version", ["0", "-1", "x", "1e3", str(2**63)])
async def test_a_version_is_a_positive_number(observatory, version):
    reply = await observatory.get(f"/tst/config?version={version}")
    assert (reply.status_code, bool(reply.json()["message"])) == (400, True)


async def test_numbers_go_on_after_a_configuration_was_forgotten(observatory):
    await put(observatory, {"n": 1})
    await observatory.delete("/tst/config")
    assert (await observatory.get("/tst/config")).status_code == 404
    assert body_of(await observatory.get("/all/config")) == {}
    assert await versions(observatory) == [2, 1]
    assert (await observatory.get("/tst/config?version=2")).status_code == 404
    await put(observatory, {"n": 1})
    assert await versions(observatory) == [3, 2, 1]
    assert body_of(await observatory.get("/tst/config?version=1"))["configuration"] == {"n": 1}


async def test_the_oldest_versions_go_first(observatory):
    for number in range(1, 10):
        await put(observatory, {"n": number})
    assert await versions(observatory) == [9, 8, 7, 6, 5, 4]


async def test_a_configuration_of_before_there_were_versions_is_the_first(world, observatory):
    old = {"_id": "tst", "configuration": '{"n": 1}', "size_bytes": 8, "modified": utc_now()}
    await world.database["site_configs"].insert_one(old)
    reply = await observatory.get("/tst/config")
    assert (body_of(reply)["configuration"], reply.headers["ETag"]) == ({"n": 1}, 'W/"1"')
    check_done(await put(observatory, {"n": 2}, if_match='"1"'))
    assert await versions(observatory) == [2, 1]
    assert body_of(await observatory.get("/tst/config?version=1"))["configuration"] == {"n": 1}


async def test_who_wrote_a_version_is_told_to_superusers(world, observatory):
    async with world.client("root") as root:
        await put(root, {"n": 1})
        await put(observatory, {"n": 2})
        for client, by in ((root, ["", "root"]), (observatory, [None, None])):
            assert [each["by"] for each in body_of(await client.get("/tst/config/versions"))] == by


async def test_a_crash_between_two_writes_leaves_every_version_readable(world, observatory, monkeypatch):
    await put(observatory, {"n": 1})

    async def crash(*_, **__):
        raise OutageError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(world.service(SiteService)._sites, "put", crash)
        assert (await put(observatory, {"n": 2})).status_code == 503
    assert await versions(observatory) == [1]
    assert body_of(await observatory.get("/tst/config"))["configuration"] == {"n": 1}
    check_done(await put(observatory, {"n": 3}))
    assert await versions(observatory) == [2, 1]


# --- who was faster -----------------------------------------------------------------------------------------------


async def test_a_client_overwrites_only_what_it_has_read(observatory):
    assert (await put(observatory, {}, if_match="*")).status_code == 412
    created = await put(observatory, {"n": 1}, if_none_match="*")
    check_done(created)
    assert (await put(observatory, {"n": 2}, if_none_match="*")).status_code == 412
    tag = (await observatory.get("/tst/config")).headers["ETag"]
    assert tag == created.headers["ETag"]
    assert (await observatory.get("/tst/config", headers={"If-None-Match": tag})).status_code == 304
    check_done(await put(observatory, {"n": 2}))  # somebody who knows nothing of tags
    refused = await put(observatory, {"n": 3}, if_match=tag)
    assert (refused.status_code, "Read it anew" in refused.json()["message"]) == (412, True)
    assert body_of(await observatory.get("/tst/config"))["configuration"] == {"n": 2}
    refused = await observatory.delete("/tst/config", headers={"If-Match": tag})
    assert refused.status_code == 412
    tag = (await observatory.get("/tst/config")).headers["ETag"]
    check_done(await put(observatory, {"n": 3}, if_match=f'"x", {tag}'))
    check_done(await observatory.delete("/tst/config", headers={"If-Match": "*"}))


async def test_of_many_who_have_read_the_same_one_wins(observatory):
    await put(observatory, {"n": 0})
    tag = (await observatory.get("/tst/config")).headers["ETag"]
    replies = await asyncio.gather(*(put(observatory, {"n": number}, if_match=tag) for number in range(1, 9)))
    assert sorted(reply.status_code for reply in replies) == [200, *[412] * 7]


async def test_many_plain_writes_at_once_are_each_a_version(observatory):
    replies = await asyncio.gather(*(put(observatory, {"n": number}) for number in range(4)))
    assert {reply.status_code for reply in replies} == {200}
    assert await versions(observatory) == [4, 3, 2, 1]
    read = [body_of(await observatory.get(f"/tst/config?version={number}")) for number in range(1, 5)]
    assert sorted(each["configuration"]["n"] for each in read) == [0, 1, 2, 3]


# --- as operators type it -----------------------------------------------------------------------------------------


async def datalab(world, *words):
    """Run `datalab sites config`; return exit code, output and notes."""
    env = {"DATALAB_API_URL": world.url, "DATALAB_TOKEN": world.tokens["root"]}
    ended = await asyncio.to_thread(CliRunner().invoke, app, ["sites", "config", *map(str, words)], env=env)
    return ended.exit_code, ended.stdout, ended.stderr


async def test_the_command_line_shows_replaces_and_looks_back(world, observatory, tmp_path):
    file = tmp_path / "tst.json"
    file.write_text('{"wema_name": "Ü", "n": 1}', encoding="utf-8")
    code, printed, noted = await datalab(world, "put", "tst", file)
    assert (code, printed) == (0, "")
    assert noted.startswith("warning: wema_name: ")
    file.write_text('{"wema_name": "tst", "n": 2}', encoding="utf-8")
    assert await datalab(world, "put", "tst", file, "--replaces", "1") == (0, "", "")
    code, _, noted = await datalab(world, "put", "tst", file, "--replaces", "1")
    assert (code, "This is not what you have read" in noted) == (ExitCode.FAILED, True)
    assert json.loads((await datalab(world, "show", "tst"))[1]) == {"wema_name": "tst", "n": 2}
    assert json.loads((await datalab(world, "show", "tst", "--version", "1"))[1])["n"] == 1
    lines = (await datalab(world, "history", "tst"))[1].splitlines()
    assert [(line.split()[0], line.endswith("by root")) for line in lines] == [("2", True), ("1", True)]
    file.write_text("[]")
    for words, code in (
        (("put", "tst", file), ExitCode.USAGE),
        (("put", "a.b", file), ExitCode.USAGE),
        (("show", "mrc"), ExitCode.NOT_FOUND),
    ):
        assert (await datalab(world, *words))[0] == code


# --- what is odd --------------------------------------------------------------------------------------------------


async def test_an_odd_configuration_is_taken_with_a_warning(observatory):
    reply = await put(observatory, {"instance_type": "wema", "latitude": 100, "TZ_database_name": 5})
    check_done(reply)
    warnings = json.loads(reply.headers["X-Config-Warnings"])
    assert sorted(text.partition(":")[0] for text in warnings) == ["TZ_database_name", "latitude", "the whole"]
    assert "X-Config-Warnings" not in (await put(observatory)).headers
    assert "X-Config-Warnings" not in (await put(observatory, {"instance_type": "pier"})).headers
    hostile = {"instance_type": "wema", "TZ_database_name": ["\r\nSet-Cookie: x ☂" * 100]}
    warned = (await put(observatory, hostile)).headers
    assert ("Set-Cookie" in warned, warned["X-Config-Warnings"].isascii()) == (False, True)


async def test_the_feed_tells_of_configurations(world, observatory):
    async with Datalab(world.url, ADMIN_TOKEN).feed() as feed:
        await feed.subscribe(sites=["tst"])
        await put(observatory, {"n": 1})
        await observatory.delete("/tst/config")
        heard = [(await anext(aiter(feed))).event for _ in range(2)]
    assert [(type(event), event.version, event.removed) for event in heard] == [
        (SiteConfigured, 1, False),
        (SiteConfigured, 2, True),
    ]


async def test_while_the_store_is_away_the_answer_is_json_all_the_same(world, observatory, monkeypatch):
    async def away(*_):
        raise OutageError("the document store does not answer")

    monkeypatch.setattr(world.service(SiteService)._sites, "sizes_of_others", away)
    reply = await put(observatory)
    assert (reply.status_code, reply.json()) == (
        503,
        {"detail": "Temporarily unavailable: the document store does not answer."},
    )
