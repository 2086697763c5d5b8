"""Logging in in a browser: by a cookie that no script reads, and that other people's pages cannot use."""

import asyncio

import pytest
import websockets

from support.session_api import body_of, running_world

LOGIN = "/api/browser/login/"
PAGE = {"X-Datalab-Page": "1"}
PASSWORD = "correct horse battery"
COOKIE = "datalab_login"


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment, login_address_tries_per_minute=100_000) as world:
        await world.add_user("root", superuser=True)
        yield world


@pytest.fixture(scope="module")
async def root(world):
    async with world.client("root") as client:
        yield client


@pytest.fixture
async def browser(world):
    """A client that keeps cookies, as nobody yet."""
    async with world.client() as client:
        yield client


async def user(world, root, name):
    await world.add_user(name)
    assert (await root.put(f"/api/users/{name}/password/", json={"password": PASSWORD})).status_code == 204


async def code_for(root, name):
    reply = await root.post(f"/api/users/{name}/login-code/")
    assert reply.status_code == 201, reply.text
    return body_of(reply)["code"]


async def log_in(browser, **how):
    return await browser.post(LOGIN, json=how, headers=PAGE)


async def who(browser):
    reply = await browser.get("/api/profile/")
    return body_of(reply)["username"] if reply.status_code == 200 else None


def attributes(reply):
    first, *rest = reply.headers["set-cookie"].split("; ")
    assert first.startswith(f"{COOKIE}=")
    return {each.lower() for each in rest}


async def test_a_password_becomes_a_cookie_that_no_script_reads(world, root, browser):
    await user(world, root, "anna")
    reply = await log_in(browser, username="anna", password=PASSWORD)
    assert (reply.status_code, body_of(reply)) == (200, {"username": "anna"})
    assert {"httponly", "samesite=strict", "path=/", f"max-age={90 * 86_400}"} <= attributes(reply)
    assert browser.cookies[COOKIE] not in reply.text
    assert await who(browser) == "anna"
    made = await browser.post("/api/datasessions/", json={"name": "one", "input_data": []}, headers=PAGE)
    assert made.status_code == 201


async def test_other_peoples_pages_can_do_nothing_with_it(world, root, browser):
    await user(world, root, "berta")
    await log_in(browser, username="berta", password=PASSWORD)
    session = {"name": "stolen", "input_data": []}
    assert (await browser.post("/api/datasessions/", json=session)).status_code == 401, "the header is missing"
    for site in ("cross-site", "same-site"):
        assert (
            await browser.post("/api/datasessions/", json=session, headers={**PAGE, "Sec-Fetch-Site": site})
        ).status_code == 401
        assert (await browser.get("/api/profile/", headers={"Sec-Fetch-Site": site})).status_code == 401
    for site in ("same-origin", "none"):
        assert (await browser.get("/api/profile/", headers={"Sec-Fetch-Site": site})).status_code == 200
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "x-datalab-page"
    preflight = await browser.options("/api/datasessions/", headers=asked)
    assert "access-control-allow-credentials" not in preflight.headers
    assert body_of(await browser.get("/api/datasessions/"))["count"] == 0
    assert (await browser.post(LOGIN, json={"username": "berta", "password": PASSWORD})).status_code == 401


async def test_a_code_is_good_once_and_for_one(world, root, browser):
    await user(world, root, "carla")
    code = await code_for(root, "carla")
    async with world.client() as other:
        replies = await asyncio.gather(log_in(browser, code=code), log_in(other, code=code))
    assert sorted(reply.status_code for reply in replies) == [200, 401]
    (kept,) = await world.database["login_codes"].find({}).to_list(None) or [None]
    assert kept is None
    unused = await code_for(root, "carla")
    (kept,) = await world.database["login_codes"].find({}).to_list(None)
    assert unused not in str(kept)
    await root.patch("/api/users/carla/", json={"active": False})
    assert (await log_in(browser, code=unused)).status_code == 401
    assert (await root.post("/api/users/nobody/login-code/")).status_code == 404
    assert (await root.post("/api/users/carla/login-code/")).status_code == 403


async def test_only_superusers_make_codes(world, root, browser):
    await user(world, root, "dora")
    await log_in(browser, username="dora", password=PASSWORD)
    assert (await browser.post("/api/users/dora/login-code/", headers=PAGE)).status_code == 403


async def test_logging_out_ends_the_login_everywhere_it_was_copied_to(world, root, browser):
    await user(world, root, "emil")
    await log_in(browser, code=await code_for(root, "emil"))
    token = browser.cookies[COOKIE]
    assert (await browser.delete(LOGIN)).status_code == 401, "a page of others must not log people out"
    reply = await browser.delete(LOGIN, headers=PAGE)
    assert (reply.status_code, browser.cookies.get(COOKIE)) == (204, None)
    stolen = {"Authorization": f"Token {token}"}
    assert (await browser.get("/api/profile/", headers=stolen)).status_code == 401
    assert (await browser.delete(LOGIN, headers=PAGE)).status_code == 204


async def test_a_pasted_token_stays_what_it_is(world, root, browser):
    await world.add_user("fritz")
    reply = await log_in(browser, token=world.tokens["fritz"])
    assert not any(each.startswith("max-age") for each in attributes(reply)), "it goes with the browser"
    assert await who(browser) == "fritz"
    await browser.delete(LOGIN, headers=PAGE)
    assert await who(browser) is None
    assert (
        await browser.get("/api/profile/", headers={"Authorization": f"Token {world.tokens['fritz']}"})
    ).status_code == 200
    assert (await log_in(browser, token="made-up")).status_code == 401


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"username": "gerd"},
        {"username": "gerd", "token": "t"},
        {"code": "c", "token": "t"},
        {"username": "gerd", "password": "p", "code": "c"},
    ],
)
async def test_half_a_login_is_told_what_is_needed(browser, how):
    reply = await log_in(browser, **how)
    assert reply.status_code == 400
    assert "needs username and password, or token, or code" in reply.text


async def test_a_header_counts_more_than_a_cookie_and_a_stale_cookie_less_than_nothing(world, root, browser):
    await user(world, root, "hanna")
    await world.add_user("ida")
    await log_in(browser, username="hanna", password=PASSWORD)
    assert (
        body_of(await browser.get("/api/profile/", headers={"Authorization": f"Token {world.tokens['ida']}"}))[
            "username"
        ]
        == "ida"
    )
    await root.put("/api/users/hanna/password/", json={"password": PASSWORD + "2"})
    assert await who(browser) is None
    assert (await browser.get("/api/frames/")).status_code == 200, "what is public stays so"


async def test_the_feed_knows_who_is_logged_in_on_pages_of_ours_only(world, root, browser):
    await user(world, root, "jan")
    await log_in(browser, username="jan", password=PASSWORD)
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    address = world.url.replace("http", "ws") + "/api/feed"
    async with websockets.connect(address, additional_headers=cookie, origin=world.url) as ours:
        assert '"user":"jan"' in await asyncio.wait_for(ours.recv(), 20)
    async with websockets.connect(address, additional_headers=cookie, origin="http://evil.example") as theirs:
        await theirs.send('{"action":"subscribe","sessions":[]}')
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await asyncio.wait_for(theirs.recv(), 20)
    assert closed.value.rcvd.code == 4401
