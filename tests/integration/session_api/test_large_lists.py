"""Lists end where an answer would become too large, and go on in their next page."""

import asyncio

import pytest

from support.session_api import (
    MEDIAN,
    archive,
    body_of,
    frame_document,
    frame_file,
    result,
    running_world,
    stored_file,
)

LARGE_ITEM = {"source": "archive", "basename": "f1", "note": "x" * 4000}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment, max_answer_bytes=20_000) as world:
        for name in ("alice", "bob"):
            await world.add_user(name)
        await world.describe(MEDIAN)
        await world.add_frames(frame_document("f1"), frame_document("f2"))
        yield world


@pytest.fixture
async def client(world):
    async with world.client("alice") as client:
        yield client


async def pages(client, path):
    """Return the entries of every page of a list, following the links."""
    found = []
    while path:
        page = body_of(await client.get(path))
        found.append(page["results"])
        path = page["next"]
    return found


async def test_every_session_is_in_exactly_one_page(world, client):
    made = [await world.session(client, f"S{n}", [{**LARGE_ITEM, "n": n}, {**LARGE_ITEM, "m": n}]) for n in range(7)]
    found = await pages(client, "/api/datasessions/?limit=5")
    assert [each["id"] for page in found for each in page] == made[::-1]
    assert [len(page) for page in found] == [2, 2, 2, 1]


async def test_a_session_larger_than_an_answer_comes_alone(world):
    async with world.client("bob") as bob:
        items = [{**LARGE_ITEM, "n": n} for n in range(10)]
        made = [await world.session(bob, "large", items), await world.session(bob, "small")]
        assert [[each["id"] for each in page] for page in await pages(bob, "/api/datasessions/")] == [
            [made[1]],
            [made[0]],
        ]
        assert len(body_of(await bob.get(f"/api/datasessions/{made[0]}/"))["input_data"]) == 10


async def test_operations_come_in_pages_and_with_their_session_the_latest(world, client):
    session_id = await world.session(client)
    path = f"/api/datasessions/{session_id}/operations/"
    numbers = [await world.operation(client, session_id) for _ in range(4)]
    for number in numbers:
        data = ({"text": "x" * 8000, "number": number},)
        await world.succeed(client, session_id, number, result(f"r{number}", output_data=data))
    found = await pages(client, path)
    assert [each["id"] for page in found for each in page] == numbers
    assert len(found) == 2
    session = body_of(await client.get(f"/api/datasessions/{session_id}/"))
    assert session["operations_count"] == 4
    assert [each["id"] for each in session["operations"]] == numbers[-2:]
    assert session["operations"][-1]["output"]["output_data"][0]["number"] == numbers[-1]
    (listed,) = body_of(await client.get("/api/datasessions/?limit=1"))["results"]
    assert (listed["id"], listed["operations_count"]) == (session_id, 4)
    assert [each["id"] for each in listed["operations"]] == numbers
    for each in listed["operations"]:
        assert list(each["output"]) == ["output_files"], "the data of results do not come with lists of sessions"


async def test_texts_without_end_are_refused(world, client):
    session_id = await world.session(client)
    reply = await client.post("/api/datasessions/", json={"name": "S", "input_data": [{"text": "x" * 100_000}]})
    assert (reply.status_code, body_of(reply)) == (
        400,
        {"input_data": ["0.text: The text has 100000 characters; 4096 are allowed."]},
    )
    inputs = {"input_files": [archive("f1", target_name="x" * 2000), archive("f2")]}
    reply = await client.post(
        f"/api/datasessions/{session_id}/operations/", json={"name": "Median", "input_data": inputs}
    )
    assert reply.status_code == 400
    assert body_of(reply)["error"] == "target_name of f1 has 2000 bytes; 1024 are allowed."


async def test_who_is_still_sending_keeps_nobody_from_an_answer(world):
    finish, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def slowly():
        yield b'{"name": '
        begun.release()
        await finish.wait()
        yield b'"changed"}'

    async with world.client("alice") as alice, world.client("bob") as bob:
        clients = [alice, alice, bob, bob]
        paths = [f"/api/datasessions/{await world.session(each)}/" for each in clients]
        sending = [
            asyncio.create_task(each.patch(path, content=slowly())) for each, path in zip(clients, paths, strict=True)
        ]
        for _ in sending:
            await begun.acquire()
        listed = [(await bob.get("/api/datasessions/")).status_code for _ in range(3)]
        finish.set()
        changed = [(await each).status_code for each in sending]
    assert (listed, changed) == ([200] * 3, [200] * 4)


async def test_images_and_frames_end_where_an_answer_does_and_go_on_there(world, client):
    pictures = {
        role: frame_file(stored_file(f"data/{role}", media_type="image/jpeg")) for role in ("jpg_10", "fits_01")
    }
    await world.add_frames(*(frame_document(f"image-{n}", frame_id=n, site="many", files=pictures) for n in range(30)))
    for query in ("site=many", "site=many&limit=29", "site=many&limit=30"):
        seen, url, answers = [], f"/filtered_images?{query}", 0
        while url:
            reply = await client.get(url)
            seen += [image["image_id"] for image in reply.json()]
            url, answers = reply.links.get("next", {}).get("url"), answers + 1
        assert (seen, answers) == ([*range(29, -1, -1)], 1 if query.endswith("30") else 2)
    listed = await pages(client, "/api/frames/?basename=image-&pagination_style=cursor&limit=100")
    assert [frame["id"] for page in listed for frame in page] == [*range(29, -1, -1)]
    assert len(listed) > 1
