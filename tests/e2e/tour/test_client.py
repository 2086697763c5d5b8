"""The client others use, against a whole system: what it returns is what the API says, its errors say what to do."""

import asyncio

import httpx
import pytest

import datalab
from datalab.client.downloads import save_link
from datalab.client.rest import ApiRefusedError, ApiUnreachableError, Datalab
from datalab.local.ports import free_port
from support.waiting import PATIENCE_S

FEW = 3


@pytest.fixture
async def admin(tour):
    async with Datalab(tour.system.api_url, tour.system.admin_token) as admin:
        yield admin


def frames_of(tour):
    """Return input items for a few frames of one filter."""
    return [frame.session_item() for frame in tour.archive.of("colours", filter_name="rp")[:FEW]]


async def test_a_session_from_its_making_to_the_bytes_of_a_result(tour):
    api, frames = tour.alice.api, frames_of(tour)
    session = await api.add_session("Through the client", frames)
    assert session["id"] in [each["id"] for each in await api.sessions()]
    operation = await api.start(session["id"], "Median", {"input_files": frames})
    async with asyncio.timeout(PATIENCE_S):
        ended = await api.ended(session["id"], operation["id"])
    assert (ended["id"], ended["status"]) == (operation["id"], "COMPLETED")
    assert [each["id"] for each in await api.operations(session["id"])] == [operation["id"]]
    (output,) = ended["output"]["output_files"]
    assert (await api.download(output["fits_url"])).startswith(b"SIMPLE  =")
    assert (await api.analyse("raw-data", frames[0]["basename"]))["data"]


async def test_what_has_ended_is_not_waited_for(tour):
    api, frames = tour.alice.api, frames_of(tour)
    session = await api.add_session("Stopped", frames)
    operation = await api.start(session["id"], "Median", {"input_files": frames})
    async with asyncio.timeout(PATIENCE_S):
        ended = await api.ended(session["id"], operation["id"])
        assert (await api.ended(session["id"], operation["id"]))["status"] == ended["status"] == "COMPLETED"


async def test_users_come_and_get_tokens_and_go(tour, admin):
    token = await admin.add_user("eve", proposals=["P9"])
    (eve,) = (user for user in await admin.users() if user["username"] == "eve")
    assert (eve["proposals"], eve["active"], eve["superuser"]) == (["P9"], True, False)
    async with admin.as_user(token) as eve, admin.as_user(await admin.add_token("eve")) as again:
        assert await eve.sessions() == await again.sessions() == []
        assert "Median" in await eve.available_operations()
        await admin.change_user("eve", active=False)
        with pytest.raises(ApiRefusedError, match="GET datasessions/: 401") as refused:
            await eve.sessions()
    assert refused.value.status == 401


async def test_a_refusal_says_what_was_asked_and_what_is_wrong(tour):
    session = await tour.alice.api.add_session("Refused")
    with pytest.raises(
        ApiRefusedError, match=rf"POST datasessions/{session['id']}/operations/: 400 .*Input"
    ) as refused:
        await tour.alice.api.start(session["id"], "Median", {"input_files": []})
    assert refused.value.body["error"].startswith("Operation Median requires at least 2")


async def test_a_link_that_does_not_work_is_told_without_its_signature(tour):
    link = f"{tour.system.api_url}/nothing?X-Amz-Signature=secret"
    with pytest.raises(ApiRefusedError, match="/nothing: 404") as refused:
        await tour.alice.api.download(link)
    assert "secret" not in str(refused.value)


async def test_the_address_of_the_api_is_as_good_as_that_of_the_system(tour):
    token = tour.alice.http.headers["Authorization"].removeprefix("Token ")
    async with Datalab(f"{tour.system.api_url}/api/", token) as api:
        assert "Median" in await api.available_operations()
        assert (await api.health())["status"] == "ready"


async def test_without_a_token_the_system_tells_how_it_is(tour):
    async with Datalab(tour.system.api_url, None) as api:
        assert await api.version() == datalab.__version__
        assert set((await api.health())["dependencies"].values()) == {"ok"}


async def test_a_large_file_is_saved_whole_or_not_at_all(tour, tmp_path):
    api, frames = tour.alice.api, frames_of(tour)
    session = await api.add_session("Saved", frames)
    operation = await api.start(session["id"], "Median", {"input_files": frames})
    async with asyncio.timeout(PATIENCE_S):
        ended = await api.ended(session["id"], operation["id"])
    link = ended["output"]["output_files"][0]["fits_url"]
    size_bytes = await save_link(link, tmp_path / "median.fits")
    assert (tmp_path / "median.fits").read_bytes() == await api.download(link)
    assert size_bytes == (tmp_path / "median.fits").stat().st_size
    with pytest.raises(ApiRefusedError):
        await save_link(link.replace("X-Amz-Signature=", "X-Amz-Signature=0"), tmp_path / "other.fits")
    assert [file.name for file in tmp_path.iterdir()] == ["median.fits"]


async def test_the_session_of_an_operation_is_found_wherever_it_is(tour, monkeypatch):
    api, frames = tour.alice.api, frames_of(tour)
    old = await api.add_session("Old", frames)
    operation = await api.start(old["id"], "Median", {"input_files": frames})
    for number in range(3):
        await api.add_session(f"Newer {number}")
    request = api.http.request

    async def by_twos(method, path, **options):
        return await request(method, path, **options | {"params": {**options.get("params", {}), "limit": 2}})

    monkeypatch.setattr(api.http, "request", by_twos)
    assert await api.session_of(operation["id"]) == old["id"]
    assert await api.session_of(10**9) is None
    assert [each["id"] for each in await api.operations(old["id"])] == [operation["id"]]


async def test_what_is_no_datalab_is_told_as_such():
    web = await asyncio.start_server(_answer_with_a_page, "127.0.0.1", 0)
    async with web, Datalab(f"http://127.0.0.1:{web.sockets[0].getsockname()[1]}", "a-token") as api:
        with pytest.raises(ApiUnreachableError, match="is no Datalab"):
            await api.sessions()


async def _answer_with_a_page(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
    await writer.drain()
    writer.close()


async def test_nobody_there_is_told_as_such():
    async with Datalab(f"http://127.0.0.1:{free_port()}", "a-token") as api:
        with pytest.raises(ApiUnreachableError, match=r"the API at http://127\.0\.0\.1:\d+ does not answer"):
            await api.sessions()


async def test_an_operation_is_started_once_although_the_answer_was_lost(tour, monkeypatch):
    api, frames = tour.alice.api, frames_of(tour)
    session = await api.add_session("Once", frames)
    send, lost = api.http.send, []

    async def losing_the_first_answer(request, **options):
        reply = await send(request, **options)
        if not lost:
            lost.append(reply)
            raise httpx.ReadError("the connection was reset")
        return reply

    monkeypatch.setattr(api.http, "send", losing_the_first_answer)
    operation = await api.start(session["id"], "Median", {"input_files": frames})
    assert lost[0].json()["id"] == operation["id"]
    assert [each["id"] for each in await api.operations(session["id"])] == [operation["id"]]
