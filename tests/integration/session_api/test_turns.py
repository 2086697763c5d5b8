"""Users share the runners: nobody's five hundred operations stand before somebody else's one."""

import asyncio
from uuid import uuid4

import pytest

from datalab.events.operations import Lane
from datalab.events.topology import RUNNERS
from session_api.operations.turns import Turns
from support.session_api import body_of
from support.waiting import PATIENCE_S, until


@pytest.fixture
def turns(world):
    return world.operations._turns


@pytest.fixture
def name():
    """A user without any operations: shares are each user's own."""
    return f"user-{uuid4().hex[:8]}"


@pytest.fixture
async def user(world, name):
    await world.add_user(name)
    async with world.client(name) as client:
        yield client


@pytest.fixture
async def session_id(world, user):
    return await world.session(user)


async def asked_for(world):
    """Return the operations the runners were asked for, in the order of the requests."""
    return [request.operation_id for request in await world.all_requests()]


async def start(world, client, session_id, count):
    return [await world.operation(client, session_id) for _ in range(count)]


@pytest.fixture
def share_of_two(turns):
    turns._shares._slots = dict.fromkeys(Lane, 1)  # and one in reserve
    return 2


async def test_what_is_beyond_the_share_waits_and_takes_its_turn_in_order(world, user, session_id, share_of_two):
    numbers = await start(world, user, session_id, 5)
    shown = [body_of(await user.get(f"/api/datasessions/{session_id}/operations/{number}/")) for number in numbers]
    assert {each["status"] for each in shown} == {"PENDING"}
    await until(lambda: published(world, numbers[:2]))
    await world.succeed(user, session_id, numbers[0])
    await until(lambda: published(world, numbers[:3]))
    await world.fail(user, session_id, numbers[1])
    await until(lambda: published(world, numbers[:4]))
    await user.post(f"/api/datasessions/{session_id}/operations/{numbers[2]}/cancel/")
    await until(lambda: published(world, numbers))


async def published(world, numbers):
    return [number for number in await asked_for(world) if number in numbers] == list(numbers)


async def test_somebody_else_does_not_wait(world, user, session_id, share_of_two):
    before = await asked_for(world)
    numbers = await start(world, user, session_id, 6)
    other = f"other-{uuid4().hex[:8]}"
    await world.add_user(other)
    async with world.client(other) as client:
        number = await world.operation(client, await world.session(client))

    async def third():
        return (await asked_for(world))[len(before) :] == [*numbers[:2], number]

    await until(third)


async def test_a_deleted_operation_makes_room_and_a_queued_one_may_be_stopped(world, user, session_id, share_of_two):
    first, _, third, fourth = await start(world, user, session_id, 4)
    path = f"/api/datasessions/{session_id}/operations/"
    stopped = body_of(await user.post(f"{path}{third}/cancel/"))
    assert stopped["status"] in ("CANCELLED", "FAILED")
    await user.delete(f"{path}{first}/")
    await until(lambda: published(world, [fourth]))
    assert third not in await asked_for(world)


async def test_when_none_waits_any_more_the_next_one_is_asked_for_at_once(world, user, session_id, turns):
    turns._shares._slots = dict.fromkeys(Lane, 8)
    numbers = await start(world, user, session_id, 17)  # one beyond a share of 16
    assert await status_of(world, numbers[-1]) == "QUEUED"
    for number in numbers[:4]:
        await world.fail(user, session_id, number)
    await until(lambda: published(world, numbers))
    assert await status_of(world, await world.operation(user, session_id)) == "PENDING"


async def status_of(world, number):
    return (await world.database["operations"].find_one({"_id": number}))["status"]


async def test_turns_that_nobody_gave_are_given_by_the_next_look(world, user, session_id, share_of_two, monkeypatch):
    numbers = await start(world, user, session_id, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Turns, "pass_on", nothing)  # as when the process is killed after it stored the end
        await world.succeed(user, session_id, numbers[0])
    await world.operations._turns.look_at_all()
    await until(lambda: published(world, numbers))


async def nothing(*_):
    pass


async def test_many_looks_at_once_ask_once(world, user, name, session_id, share_of_two, turns):
    numbers = await start(world, user, session_id, 3)
    await world.database["operations"].update_one({"_id": numbers[0]}, {"$set": {"status": "FAILED"}})
    await asyncio.gather(*(turns.pass_on(name) for _ in range(8)))
    await until(lambda: published(world, numbers))


async def test_the_slots_are_those_that_ask_the_bus_for_work(world, turns):
    consumer = RUNNERS[Lane.FAST]
    puller = await world.bus.jetstream.pull_subscribe_bind(consumer=consumer.name, stream=consumer.stream)
    asking = [asyncio.create_task(puller.fetch(1, timeout=PATIENCE_S)) for _ in range(3)]

    async def counted():
        await turns.look_at_all()
        return turns._shares._slots[Lane.FAST] == 3

    await until(counted)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
