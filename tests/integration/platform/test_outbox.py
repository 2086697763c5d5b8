import asyncio
import random
from datetime import timedelta

import pytest
from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from datalab.events.operations import OperationStarted
from datalab.events.topology import REPORTS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay, outbox_entries
from datalab.platform.metrics import BusMetrics, OutboxMetrics, create_registry
from datalab.platform.settings import MongoSettings, NatsSettings
from support.waiting import until


@pytest.fixture
def registry():
    return create_registry()


@pytest.fixture
async def bus(settings_environment, registry):
    bus = Bus(settings=NatsSettings(), service="test", metrics=BusMetrics(registry))
    await bus.connect()
    await apply_topology(bus.jetstream)
    yield bus
    await bus.close()


@pytest.fixture
async def collection(settings_environment, document_driver):
    store = DocumentStore(MongoSettings(), driver=document_driver)
    collection = store.database["things"]
    yield collection
    await store.close()


@pytest.fixture
async def relay(bus, collection, registry):
    relay = OutboxRelay(bus=bus, metrics=OutboxMetrics(registry), sweep_interval_s=0.05)
    relay.watch(collection)
    yield relay
    await relay.stop()


def events(*numbers):
    return [OperationStarted(operation_id=number, attempt=1) for number in numbers]


async def save(collection, document_id, happened, *, age_s=0.0):
    """Write a document with its events, as a writer does that may be killed right afterwards."""
    entries = outbox_entries(happened)
    for entry in entries:
        entry["at"] = utc_now() - timedelta(seconds=age_s)
    await collection.insert_one({"_id": document_id, "value": 1, "outbox": entries})
    return entries


async def outbox_of(collection, document_id):
    return (await collection.find_one({"_id": document_id}))["outbox"]


async def emptied(collection, document_id):
    async def is_empty():
        return not await outbox_of(collection, document_id)

    await until(is_empty)


async def published(bus):
    return [
        OperationStarted.decode(message.body)
        async for message in bus.replay(REPORTS, after=0, filter_subjects=REPORTS.subjects)
    ]


async def test_a_nudge_publishes_at_once_and_in_order(bus, collection, relay):
    happened = events(3, 1, 2)
    entries = await save(collection, "a", happened)
    relay.start()
    relay.nudge(collection.name, "a", entries)
    await emptied(collection, "a")
    assert await published(bus) == happened


async def test_a_late_nudge_does_not_change_the_order(bus, collection, relay):
    """Writers are told of their writes in any order; what they were told holds everything that goes first."""
    first, second = outbox_entries(events(1)), outbox_entries(events(2))
    await collection.insert_one({"_id": "a", "outbox": [*first, *second]})
    relay.nudge(collection.name, "a", [*first, *second])
    relay.nudge(collection.name, "a", first)
    relay.start()
    await emptied(collection, "a")
    assert [event.operation_id for event in await published(bus)] == [1, 2]


async def test_a_nudge_that_does_not_say_what_was_written_is_looked_up(bus, collection, relay):
    await save(collection, "a", events(1, 2))
    relay.nudge(collection.name, "a")
    relay.nudge(collection.name, "there is none")
    relay.start()
    await emptied(collection, "a")
    assert [event.operation_id for event in await published(bus)] == [1, 2]


class UnreliableBus:
    """Fails to publish at times, before the server has the message or after, when only the answer is lost."""

    def __init__(self, bus, *, seed):
        self._bus = bus
        self._random = random.Random(seed)
        self.failures = 0

    async def publish_encoded(self, **message):
        fate = self._random.random()
        await asyncio.sleep(self._random.random() * 0.004)
        if fate >= 0.2:
            await self._bus.publish_encoded(**message)
        if fate < 0.4:
            self.failures += 1
            raise TransientError("the bus does not answer")


class Thing(StoredDocument):
    id: int = Field(alias="_id")
    last: int = 0


@pytest.mark.parametrize("seed", range(6))
async def test_events_are_published_in_the_order_of_their_writes_whatever_fails(bus, collection, registry, seed):
    """Two processes change the same documents over a bus that fails at every third publish."""
    documents, writes = range(5), 12
    unreliable = UnreliableBus(bus, seed=seed)
    processes = []
    for number in range(2):
        relay = OutboxRelay(bus=unreliable, metrics=OutboxMetrics(create_registry()), sweep_interval_s=0.2)
        processes.append(Collection(collection.database, collection.name, Thing, relay=relay))
        relay.start()
        if number == 0:
            for thing in documents:
                await processes[0].insert(Thing(_id=thing))
    order = random.Random(seed)
    written = {thing: [] for thing in documents}

    async def write(thing):
        for number in range(1, writes + 1):
            event = OperationStarted(operation_id=1 + thing, attempt=number)
            writer = order.choice(processes)
            assert await writer.update({"_id": thing}, {"$set": {"last": number}}, [event])
            written[thing].append(event)
            await asyncio.sleep(order.random() * 0.01)

    try:
        await asyncio.gather(*map(write, documents))

        async def all_published():
            return not await collection.count_documents({"outbox.0": {"$exists": True}})

        await until(all_published)
    finally:
        for process in processes:
            await process._relay.stop()
    stored = await published(bus)
    assert {thing: [event for event in stored if event.operation_id == 1 + thing] for thing in documents} == written
    assert unreliable.failures


class CountingBus:
    """Notes what it is asked to publish."""

    def __init__(self, bus):
        self._bus = bus
        self.published = []

    async def publish_encoded(self, **message):
        self.published.append(message["event_id"])
        await self._bus.publish_encoded(**message)


async def test_what_is_published_stays_for_a_moment_and_is_neither_published_again_nor_left(bus, collection):
    counting = CountingBus(bus)
    relay = OutboxRelay(bus=counting, metrics=OutboxMetrics(create_registry()))
    things = Collection(collection.database, collection.name, Thing, relay=relay)
    relay.start()
    happened = [OperationStarted(operation_id=1, attempt=number) for number in range(1, 6)]
    await things.insert(Thing(_id=1))
    for event in happened:
        await things.update({"_id": 1}, {"$set": {"last": event.attempt}}, [event])
        await until(lambda event=event: said(counting, event))
    assert len(await outbox_of(collection, 1)) > 1  # one write for all of them
    await relay.stop()
    assert await outbox_of(collection, 1) == []
    assert counting.published == [event.event_id for event in happened]
    assert await published(bus) == happened


async def said(counting, event):
    return event.event_id in counting.published


async def test_the_sweep_finds_what_a_killed_writer_left(bus, collection, relay, registry):
    happened = events(1, 2)
    await save(collection, "a", happened, age_s=10)
    relay.start()
    await emptied(collection, "a")
    assert await published(bus) == happened
    assert registry.get_sample_value("datalab_outbox_swept_events_total") == 2


async def test_the_sweep_leaves_young_entries_to_their_nudge(bus, collection, relay):
    await save(collection, "young", events(1))
    await save(collection, "old", events(2), age_s=10)
    assert await relay.sweep() == 1
    assert [event.operation_id for event in await published(bus)] == [2]


async def test_what_was_published_but_not_cleared_is_not_stored_twice(bus, collection, relay):
    happened = events(1)
    await save(collection, "a", happened, age_s=10)
    await bus.publish(happened[0])  # and then the relay was killed
    assert await relay.sweep() == 1
    assert await published(bus) == happened
    await emptied(collection, "a")


async def test_two_relays_do_not_publish_twice(bus, collection, relay, registry):
    other = OutboxRelay(bus=bus, metrics=OutboxMetrics(create_registry()))
    other.watch(collection)
    for number in range(1, 30):
        await save(collection, number, events(number), age_s=10)
    await asyncio.gather(relay.sweep(), other.sweep())
    assert sorted(event.operation_id for event in await published(bus)) == list(range(1, 30))
    assert await collection.count_documents({"outbox.0": {"$exists": True}}) == 0


async def test_entries_added_meanwhile_are_not_cleared(bus, collection, relay):
    entries = await save(collection, "a", events(1))
    late = outbox_entries(events(2))
    await collection.update_one({"_id": "a"}, {"$push": {"outbox": {"$each": late}}})
    relay.start()
    relay.nudge(collection.name, "a", entries)

    async def one_left():
        kept = await outbox_of(collection, "a")
        return kept if len(kept) == 1 else None

    (kept,) = await until(one_left)
    assert kept["event_id"] == late[0]["event_id"]


async def test_a_bus_that_is_away_delays_and_loses_nothing(bus, collection, relay, nats_server):
    happened = events(1)
    entries = await save(collection, "a", happened, age_s=10)
    await nats_server.kill()
    relay.start()
    relay.nudge(collection.name, "a", entries)
    with pytest.raises(TransientError):
        await relay.sweep()
    assert await outbox_of(collection, "a")
    await nats_server.restart()
    await emptied(collection, "a")
    assert await published(bus) == happened


async def test_a_document_whose_events_cannot_be_stored_does_not_hold_up_the_others(bus, collection, relay):
    bad = outbox_entries(events(1))[0] | {"subject": "nobody.stores.this", "at": utc_now() - timedelta(seconds=20)}
    await collection.insert_one({"_id": "bad", "outbox": [bad]})
    await save(collection, "good", events(2), age_s=10)
    relay.start()
    await emptied(collection, "good")
    assert [event.operation_id for event in await published(bus)] == [2]
    assert await outbox_of(collection, "bad")


async def test_nudges_beyond_the_queue_are_left_to_the_sweep(bus, collection, relay):
    for _ in range(10_000):  # as many as the queue holds
        relay.nudge(collection.name, "nothing", [])
    entries = await save(collection, "a", events(1), age_s=10)
    relay.nudge(collection.name, "a", entries)
    assert await relay.sweep() == 1
