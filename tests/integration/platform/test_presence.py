"""What processes say of themselves, on a real bus."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from datalab.errors import TransientError
from datalab.events.operations import Lane, OperationRequested
from datalab.events.processes import ProcessDescribed
from datalab.events.topology import PROCESSES, RUNNERS, stream_of
from datalab.platform import presence
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.health import Health
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.presence import Presence
from datalab.platform.settings import NatsSettings
from operation_runner.execution.bus import subscriptions
from support.waiting import until

SLOTS = {Lane.FAST: 2, Lane.SLOW: 1}


@asynccontextmanager
async def connected():
    bus = Bus(settings=NatsSettings(), service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture
async def bus(settings_environment, monkeypatch):
    monkeypatch.setattr(presence, "EVERY_S", 0.05)
    async with connected() as bus:
        await apply_topology(bus.jetstream)
        yield bus


async def said(bus):
    """Return what the processes say that are there."""
    stream = stream_of(PROCESSES)
    bodies = [message.body async for message in bus.replay(stream, after=0, filter_subjects=stream.subjects)]
    return [ProcessDescribed.decode(body) for body in bodies if body]


class Work:
    """In the place of an execution: goes on until it is let go."""

    def __init__(self):
        self.let_go = asyncio.Event()

    async def run(self, _request):
        await self.let_go.wait()


async def away():
    raise TransientError("the object store does not answer")


async def test_a_runner_says_what_it_has_in_hand_and_what_it_lacks(bus):
    work = Work()
    for subscription in subscriptions(work, slots=SLOTS):
        bus.subscribe(subscription)
    await bus.start()
    here = Presence(bus=bus, service="operation-runner", health=Health({"objects": away}))
    here.start()
    request = OperationRequested(
        operation_id=12, attempt=2, session_id=1, operation="Toy", lane=Lane.SLOW, parameters={}, input_files=()
    )
    await bus.publish(request)

    async def busy():
        return [each for each in await said(bus) if each.in_hand]

    (described,) = await until(busy)
    assert described.service == "operation-runner"
    assert described.slots == {RUNNERS[lane].name: slots for lane, slots in SLOTS.items()}
    assert described.dependencies == {"objects": "the object store does not answer"}
    (in_hand,) = described.in_hand
    assert (in_hand.consumer, in_hand.what) == ("runner-slow", "Toy, operation 12, attempt 2")
    assert described.started_at <= in_hand.since <= described.occurred_at
    work.let_go.set()

    async def idle():
        return [each for each in await said(bus) if not each.in_hand]

    assert len(await until(idle)) == 1
    await here.stop()
    assert await said(bus) == []


async def test_who_is_killed_stays_with_its_last_word_beside_others(bus):
    first, second = (Presence(bus=bus, service="ingest", health=Health({})) for _ in range(2))
    first.start()
    second.start()

    async def both():
        return len(await said(bus)) == 2

    await until(both)
    first._task.cancel()  # as if it were killed: nothing is taken back
    await second.stop()
    (left,) = await said(bus)
    assert left.process_id == first._id
