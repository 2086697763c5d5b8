"""People log in to a running system as the web client does, and what they said stays out of every log."""

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from datalab.cli.exit_codes import ExitCode
from datalab.client.rest import Datalab
from support.bus_sites import answer_to_login
from support.guides import shell_environment
from support.issuer import Issuer
from support.waiting import PATIENCE_S

PASSWORD = "plum-Pudding-4711"


@pytest.fixture(scope="module")
async def browser(tour):
    """A client without a token."""
    async with httpx.AsyncClient(base_url=tour.system.api_url, timeout=PATIENCE_S) as client:
        yield client


async def datalab(tour, *words, said="", **variables):
    """Run the command on the system; return exit code, output and what was said besides."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(Path(sys.executable).with_name("datalab")), *words],
        input=said,
        cwd=tour.system.folder.root.parent,
        env=shell_environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def fetched(reply):
    """Return what the web client's `fetch` makes of an answer: nothing, unless that says how long it is."""
    assert reply.is_success, reply.text
    return reply.json() if int(reply.headers.get("Content-Length", 0)) else None


async def test_the_web_client_logs_in_and_opens_its_sessions(tour, browser):
    here = ("--data-dir", str(tour.system.folder.root))
    added = await datalab(tour, "users", "add", "webster", "--proposal", "P1", *here)
    assert added.returncode == 0, added.stderr
    done = await datalab(tour, "users", "password", "webster", *here, said=f"{PASSWORD}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    said = {"username": "webster", "password": PASSWORD}
    token = fetched(await browser.post("/api/api-token-auth/", json=said))["token"]
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json", "Accept": "application/json"}
    profile = fetched(await browser.get("/api/profile/", headers=headers))
    assert profile["proposals"] == [{"id": "P1", "title": "P1", "current": True}]
    made = fetched(await browser.post("/api/datasessions/", headers=headers, json={"name": "Mine", "input_data": []}))
    listed = fetched(await browser.get("/api/datasessions/", headers=headers))["results"]
    assert [(session["id"], session["user"]) for session in listed] == [(made["id"], "webster")]
    assert fetched(await browser.delete(f"/api/datasessions/{made['id']}", headers=headers)) is None

    # Whoever owns the account chooses another one, and the browser has to log in again.
    own = {"DATALAB_API_URL": tour.system.api_url, "DATALAB_TOKEN": token}
    wrong = await datalab(tour, "users", "password", said="wrong\nanother-Pudding\n", **own)
    assert (wrong.returncode, "This is not the password." in wrong.stderr) == (ExitCode.FAILED, True)
    changed = await datalab(tour, "users", "password", said=f"{PASSWORD}\nanother-Pudding\n", **own)
    assert changed.returncode == 0, changed.stderr
    assert (await browser.get("/api/profile/", headers=headers)).status_code == 401
    assert (await browser.post("/api/api-token-auth/", json=said)).status_code == 401
    assert fetched(await browser.post("/api/api-token-auth/", json={**said, "password": "another-Pudding"}))


async def test_a_new_system_is_given_something_to_try_clients_with(tour, browser):
    for _ in range(2):
        done = await datalab(tour, "populate-test-data", "--data-dir", str(tour.system.folder.root))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "user test_user, password test_pass, token 123456789abcdefg\n"
    said = {"username": "test_user", "password": "test_pass"}
    assert (await browser.post("/api/api-token-auth/", json=said)).status_code == 200
    async with Datalab(tour.system.api_url, "123456789abcdefg") as api:
        sessions = {each["name"]: each for each in await api.sessions()}
    assert sorted(sessions) == ["Test session 1", "Test session 2"]
    operations = {
        name: [(each["name"], each["status"]) for each in session["operations"]] for name, session in sessions.items()
    }
    assert operations == {
        "Test session 1": [("Median", "COMPLETED"), ("Normalization", "COMPLETED")],
        "Test session 2": [("Stacking", "COMPLETED")],
    }


@pytest.mark.parametrize("url", ["http://lab.example.org", "http://192.0.2.7:8000", "http://127.0.0.1.example.org"])
async def test_nobody_elses_system_is_given_a_user_everybody_knows(tour, url):
    done = await datalab(tour, "populate-test-data", DATALAB_API_URL=url, DATALAB_ADMIN_TOKEN="x" * 40)
    assert (done.returncode, done.stdout) == (ExitCode.NOT_ALLOWED, "")
    assert "is not this machine" in done.stderr


async def test_what_is_said_wrongly_is_in_no_log(tour, browser):
    """Tokens, passwords, JSON Web Tokens and signatures, each where it belongs, where it does not, and in excess."""
    system = tour.system
    secrets = [f"hush-{kind}-{'0123456789abcdef' * 2}" for kind in ("token", "password", "name", "link", "form", "bus")]
    token, password, name, link, form, bus = secrets
    jwt = Issuer(("127.0.0.1", 9)).token(sub="auth0|hush-hush")
    secrets += [jwt, jwt.rpartition(".")[2], system.admin_token]
    mine = tour.alice.http.headers["Authorization"].removeprefix("Token ")
    secrets.append(mine)
    signed = urlsplit(await _signed_link(tour))
    secrets += [part.partition("=")[2] for part in signed.query.split("&") if "ignature" in part.partition("=")[0]]

    for said in (
        f"Token {token}",
        f"Token {mine}x",
        f"token{token}",
        f"Bearer {jwt}",
        f"Basic {token}",
        f"Token a {token}",
    ):
        for method, path in (
            *(("GET", "/api/profile/"), ("POST", "/dummy-requires-auth"), ("POST", "/api/datasessions/")),
            *(("PUT", "/tst/config"), ("POST", "/api/frames/zip/"), ("POST", "/authprofile/addupdateuser/")),
            ("PUT", "/ocs-store/datalab_frames/x.fits"),
        ):
            assert (await browser.request(method, path, headers={"Authorization": said})).is_client_error
    for body in (
        *({"username": "alice", "password": password}, {"username": name, "password": password}),
        *(
            {"username": "alice", "password": f"{password}\0"},
            {"username": ["alice"], "password": {password: password}},
        ),
    ):
        assert (await browser.post("/api/api-token-auth/", json=body)).is_client_error
        assert (await browser.post("/api/api-token-auth/", content=json.dumps(body)[:-1])).is_client_error
    for path in (f"/api/profile/{token}/", f"/api/profile/?token={token}", f"/api/users/?auth_token={token}"):
        assert (await browser.get(path)).status_code == 401
    assert (await browser.post("/api/frames/zip/", data={"frame_ids": "1", "auth_token": token})).is_client_error
    assert (await browser.get(f"/upload/form/{form}")).is_client_error
    async with httpx.AsyncClient(timeout=PATIENCE_S) as store:
        spoilt = f"{signed.scheme}://{signed.netloc}{signed.path}?{signed.query}0&X-Amz-Security-Token={link}"
        assert (await store.get(spoilt)).is_client_error
    await _show_to_feed(system, token)
    answer = await answer_to_login(system.nats_settings, user="observatory-tst", **{"pass": bus})
    assert answer == "-ERR 'Authorization Violation'"

    # What was said reached the services: they tell that it was refused, and not what it was.
    refused = await browser.post("/api/api-token-auth/", json={"username": name, "password": password})
    assert refused.status_code == 401
    written = {path.name: path.read_text(errors="replace") for path in system.folder.logs.rglob("*") if path.is_file()}
    assert "accounts.login_refused" in "".join(written.values())
    for secret in secrets:
        for shown in (secret, base64.b64encode(secret.encode()).decode()):
            assert [log for log, text in written.items() if shown in text] == [], f"{secret[:12]}… is in a log"
    entries = await datalab(tour, "audit", "--json", DATALAB_API_URL=system.api_url, DATALAB_TOKEN=system.admin_token)
    assert entries.returncode == 0, entries.stderr
    assert json.loads(entries.stdout)
    assert [secret for secret in secrets if secret in entries.stdout] == []


async def _signed_link(tour):
    frames = await tour.alice.get("frames/?limit=1")
    return frames["results"][0]["url"]


async def _show_to_feed(system, token):
    url = system.api_url.replace("http", "ws", 1) + "/api/feed"
    for header, frame in (
        ({"Authorization": f"Token {token}"}, None),
        ({"Authorization": f"Bearer {token}"}, json.dumps({"action": "authenticate", "token": token})),
        ({}, json.dumps({"action": token})),
    ):
        async with websockets.connect(url, additional_headers=header) as feed:
            if frame:
                await feed.send(frame)
            with pytest.raises(websockets.ConnectionClosed):
                await feed.recv()
