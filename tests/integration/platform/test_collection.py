"""The collection on the real server: events in the same write, changes that hold only for the fastest."""

import asyncio
from datetime import UTC, datetime

import pytest
from pydantic import Field
from pymongo.errors import OperationFailure

from datalab.documents.document import ASCENDING, Index, StoredDocument
from datalab.errors import OutageError, TransientError
from datalab.events.envelope import utc_now
from datalab.events.operations import OperationStarted
from datalab.platform.documents import client, collection
from datalab.platform.documents.client import DocumentStore, aggregated
from datalab.platform.documents.collection import Collection, LostRaceError, until_won
from datalab.platform.documents.outbox import HAS_EVENTS
from datalab.platform.settings import MongoSettings

BEGINNING = datetime(2026, 11, 20, tzinfo=UTC)


class Thing(StoredDocument):
    id: int = Field(alias="_id")
    name: str
    made: datetime = BEGINNING
    revision: int = 1


class Relay:
    """Notes what it is told."""

    def __init__(self):
        self.watched = []
        self.nudges = []

    def watch(self, collection):
        self.watched.append(collection.name)

    def nudge(self, collection, document_id, outbox=None):
        self.nudges.append((collection, document_id, outbox and [entry["event_id"] for entry in outbox]))


@pytest.fixture
async def store(settings_environment, document_driver):
    store = DocumentStore(MongoSettings(), driver=document_driver)
    yield store
    await store.close()


@pytest.fixture
def relay():
    return Relay()


@pytest.fixture
async def things(store, relay):
    indexes = [Index(fields=(("name", ASCENDING),), name="name", unique=True, where={"name": {"$type": "string"}})]
    things = Collection(store.database, "things", Thing, indexes=indexes, relay=relay)
    await things.ensure_indexes()
    return things


def started(number=1):
    return OperationStarted(operation_id=number, attempt=1)


async def test_a_document_comes_back_as_it_was_stored(things):
    assert await things.insert(Thing(id=1, name="a"))
    assert await things.find_one({"_id": 1}) == Thing(id=1, name="a")
    assert await things.find_one({"_id": 2}) is None


async def test_what_exists_is_not_stored_again(things, relay):
    assert await things.insert(Thing(id=1, name="a"), [started()])
    assert not await things.insert(Thing(id=1, name="b"), [started()])
    assert not await things.insert(Thing(id=2, name="a"), [started()])
    assert len(relay.nudges) == 1


async def test_what_is_stored_at_once_costs_few_writes_and_each_hears_of_its_own(things, relay, monkeypatch):
    await things.insert(Thing(id=3, name="before"))
    writes = []
    insert_many = client.inserted

    async def counted(driver, documents):
        writes.append(len(documents))
        return await insert_many(driver, documents)

    monkeypatch.setattr(collection, "inserted", counted)
    stored = await asyncio.gather(
        *(things.insert(Thing(id=number, name=str(number)), [started(number)]) for number in range(1, 21)),
        things.insert(Thing(id=2**64, name="too large a number")),
        return_exceptions=True,
    )
    assert [number for number, new in enumerate(stored[:20], start=1) if new is False] == [3]
    assert isinstance(stored[20], OverflowError)
    assert await things.count({}) == 20
    assert {nudge[1] for nudge in relay.nudges} == set(range(1, 21)) - {3}
    assert len(writes) <= 2


async def test_a_change_tells_other_fields_of_the_document(things):
    await things.insert(Thing(id=1, name="a"), seen=True)
    assert await things.replace({"_id": 1}, {"name": "b"}, tell=["seen", "heard"]) == {"_id": 1, "seen": True}
    told = await things.replace({"_id": 1}, {"name": "c"}, [started()], tell=["name"])
    assert told == {"_id": 1, "name": "c"}


async def test_events_are_in_the_document_and_the_relay_hears_of_them(things, relay):
    first, second, third = started(1), started(2), started(3)
    await things.insert(Thing(id=1, name="a"), [first])
    await things.update({"_id": 1}, {"$set": {"name": "b"}}, [second])
    await things.update_each([({"_id": 1}, {"$set": {"name": "c"}}, [third])])
    (row,) = await things.rows({}, {"outbox": True})
    ids = [event.event_id for event in (first, second, third)]
    assert [entry["event_id"] for entry in row["outbox"]] == ids
    # One write tells all that waits to be published; a write of many tells where to look.
    assert relay.nudges == [("things", 1, ids[:1]), ("things", 1, ids[:2]), ("things", 1, None)]
    assert relay.watched == ["things"]


async def test_the_sweep_uses_an_index_of_documents_with_events_only(things):
    await things.insert(Thing(id=1, name="a"), [started()])
    query = {**HAS_EVENTS, "outbox.at": {"$lt": utc_now()}}
    plan = await things.driver.find(query).explain()
    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])


async def test_nothing_changes_and_nothing_is_said_where_nothing_fits(things, relay):
    assert not await things.update({"_id": 1}, {"$set": {"name": "b"}}, [started()])
    with pytest.raises(LostRaceError):
        await things.replace({"_id": 1}, {"name": "b"}, [started()])
    assert await things.change_and_find({"_id": 1}, {"$set": {"name": "b"}}) is None
    assert await things.update_each([]) == 0
    assert (await things.count({}), relay.nudges) == (0, [])


async def test_many_writers_at_once_lose_nothing(things):
    await things.insert(Thing(id=1, name=""))

    async def add(letter):
        async def turn():
            thing = await things.find_one({"_id": 1})
            await things.replace(
                {"_id": 1, "revision": thing.revision}, {"name": thing.name + letter, "revision": thing.revision + 1}
            )

        await until_won(turn, races=20, of="the thing")

    await asyncio.gather(*(add(letter) for letter in "abcdefgh"))
    thing = await things.find_one({"_id": 1})
    assert (sorted(thing.name), thing.revision) == (list("abcdefgh"), 9)


async def test_who_never_wins_is_told_so():
    async def turn():
        raise LostRaceError

    with pytest.raises(TransientError, match="the thing is being changed by too many at once"):
        await until_won(turn, races=3, of="the thing")


async def test_pages_have_an_order(things):
    for number, name in enumerate("dacb", start=1):
        await things.insert(Thing(id=number, name=name))
    page = await things.find({}, sort=[("name", ASCENDING)], skip=1, limit=2)
    assert [thing.name for thing in page] == ["b", "c"]
    assert [thing.id for thing in await things.find({"name": {"$gt": "a"}})] == [1, 3, 4]


async def test_a_list_is_read_also_before_the_index_it_is_read_by_is_made(things):
    for number in (1, 2):
        await things.insert(Thing(id=number, name=str(number)))
    how = {"max_bytes": 10_000, "beside_bytes": 0, "limit": 10, "sort": [("_id", ASCENDING)]}
    for index in ("_id_", "of_somebody_who_has_never_run"):
        rows, is_full = await things.rows_within({}, {"name": True}, index=index, **how)
        assert (rows, is_full) == ([{"_id": 1, "name": "1"}, {"_id": 2, "name": "2"}], False)
        with pytest.raises(OperationFailure):
            await things.rows_within({"$or": []}, {"name": True}, index=index, **how)


async def test_an_optional_field_can_be_left_where_it_is(things):
    await things.insert(Thing(id=1, name="a", made=datetime(2027, 1, 1, tzinfo=UTC)))
    (thing,) = await things.find({}, without=["made"])
    assert thing.made == BEGINNING


async def test_a_document_can_be_stored_whatever_was_there(things):
    for name in "ab":
        await things.upsert(Thing(id=1, name=name))
    assert [thing.name for thing in await things.find({})] == ["b"]
    assert await things.delete({"name": "b"}) == 1


async def test_what_is_stored_whatever_was_there_at_once_costs_few_writes(things, monkeypatch):
    await things.insert(Thing(id=3, name="before"))
    writes = []
    upsert_many = client.upserted

    async def counted(driver, documents):
        writes.append(len(documents))
        return await upsert_many(driver, documents)

    monkeypatch.setattr(collection, "upserted", counted)
    stored = await asyncio.gather(
        *(things.upsert(Thing(id=number, name=str(number))) for number in range(1, 21)),
        things.upsert(Thing(id=21, name="7")),
        things.upsert(Thing(id=22, name="x", revision=2**64)),
        return_exceptions=True,
    )
    assert stored[:20] == [None] * 20
    assert [type(error) for error in stored[20:]] == [OperationFailure, OverflowError]
    assert [thing.name for thing in await things.find({})] == [str(number) for number in range(1, 21)]
    assert len(writes) <= 2


async def test_a_pipeline_is_answered(things):
    await things.insert(Thing(id=1, name="a"))
    assert await aggregated(things.driver, [{"$project": {"name": True}}], limit=1) == [{"_id": 1, "name": "a"}]


async def test_numbers_are_given_once(things):
    numbers = await asyncio.gather(*(things.next_number() for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))


async def test_a_server_that_is_away_is_the_worlds_fault(things, mongo_server):
    await mongo_server.kill()
    try:
        with pytest.raises(TransientError, match="the document store does not answer"):
            await things.find_one({"_id": 1})
    finally:
        await mongo_server.restart()


async def test_numbers_asked_for_at_once_are_all_different_and_cost_few_writes(things, monkeypatch):
    writes = []
    count_up = things._count_up

    async def counted(by):
        writes.append(by)
        return await count_up(by)

    monkeypatch.setattr(things, "_count_up", counted)
    numbers = await asyncio.gather(*(things.next_number() for _ in range(50)))
    assert sorted(numbers) == list(range(min(numbers), min(numbers) + 50))
    assert sum(writes) == 50
    assert len(writes) <= 2


async def test_numbers_taken_ahead_cost_no_write_and_are_given_once_among_all_who_take_them(store, monkeypatch):
    first, second = (Collection(store.database, "numbered", Thing, numbers_ahead=9) for _ in range(2))
    writes = []
    count_up = first._count_up

    async def counted(by):
        writes.append(by)
        return await count_up(by)

    monkeypatch.setattr(first, "_count_up", counted)
    numbers = [await first.next_number() for _ in range(10)]
    assert numbers == sorted(numbers)
    assert writes == [10]
    numbers += await asyncio.gather(*(each.next_number() for each in (first, second) for _ in range(15)))
    assert len(set(numbers)) == 40
    assert writes == [10, 24]


async def test_a_store_that_fails_is_told_to_all_who_ask_for_a_number_and_to_none_after(things, monkeypatch):
    async def away(by):
        raise OutageError("the document store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(things, "_count_up", away)
        answers = await asyncio.gather(*(things.next_number() for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OutageError] * 5
    assert await things.next_number() > 0


async def test_who_stops_asking_for_a_number_holds_up_nobody(things):
    asking = [asyncio.create_task(things.next_number()) for _ in range(10)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    kept = [answer for answer in answers if isinstance(answer, int)]
    assert len(set(kept)) == len(kept) >= 5


async def test_who_leaves_while_the_numbers_are_counted_holds_up_nobody(things, monkeypatch):
    asking = [asyncio.create_task(things.next_number()) for _ in range(5)]
    count_up = things._count_up

    async def one_leaves(by):
        asking[0].cancel()
        return await count_up(by)

    monkeypatch.setattr(things, "_count_up", one_leaves)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in answers] == [asyncio.CancelledError, int, int, int, int]
    assert len(set(answers)) == 5


async def test_a_document_that_counts_its_changes_is_stored_by_the_fastest_only(things, relay):
    first = Thing(id=1, name="one")
    await things.save_revision(first, [started(1)])
    with pytest.raises(LostRaceError):
        await things.save_revision(first)
    await things.save_revision(Thing(id=1, name="two", revision=2))
    for late in (2, 4):
        with pytest.raises(LostRaceError):
            await things.save_revision(Thing(id=1, name="late", revision=late))
    with pytest.raises(LostRaceError):
        await things.save_revision(Thing(id=2, name="never there", revision=2))
    assert [thing.name for thing in await things.find({})] == ["two"]
    assert len(relay.nudges) == 1
