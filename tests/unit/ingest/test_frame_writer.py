"""The files of a frame that are there at the same time are one write."""

import asyncio

import pytest

from datalab.documents.upload import Outcome
from datalab.errors import OutageError, TransientError, UsageError
from datalab.events.previews import PreviewRequested
from support.ingest import BASE, FITS, JPEG, TEXT, World, announced, notified, sha256_of
from support.waiting import until

THUMBNAIL = f"data/{BASE}-EX11.jpg"


class Writes:
    """Counts the writes of frames, and has them take as long as somebody wants."""

    def __init__(self, world):
        self.count = 0
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()
        self.faults = []
        self._save = world.frames.save
        world.frames.save = self.save

    async def save(self, *args, **kwargs):
        self.count += 1
        self.begun.set()
        await self.go_on.wait()
        if self.faults:
            raise self.faults.pop(0)
        await self._save(*args, **kwargs)


def stored_world(*keys):
    world = World()
    for key in keys:
        world.objects.put(key, key.encode())
    return world, Writes(world)


def slow_to_look(world, key):
    """Have the store take its time for one object; return what lets it go on."""
    look, go_on = world.objects.look, asyncio.Event()

    async def slow(asked, *, most_bytes):
        if asked == key:
            await go_on.wait()
        return await look(asked, most_bytes=most_bytes)

    world.objects.look = slow
    return go_on


@pytest.mark.parametrize("keys", [(TEXT, JPEG), (JPEG, TEXT)])
async def test_files_that_are_read_at_the_same_time_are_one_write_with_an_event_each(keys):
    world, writes = stored_world(*keys)
    go_on = slow_to_look(world, keys[0])
    tasks = [asyncio.create_task(world.ingestion.ingest(announced(key))) for key in keys]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*tasks) == [Outcome.INGESTED, Outcome.INGESTED]
    assert writes.count == 1
    frame = world.frames.frames[BASE]
    assert (sorted(frame.files), frame.target_name) == (["jpg_10", "txt_00"], TEXT)
    assert {event.key for event in world.frames.outbox} == {*keys}
    assert {event.correlation_id for event in world.frames.outbox} == {f"said-{key}" for key in keys}
    assert world.frames.outbox[-1].roles == ("jpg_10", "txt_00")
    assert list(world.frames.headers) == [frame.header_id]
    assert len(world.uploads.entries) == 2


async def test_a_file_that_is_not_read_for_long_keeps_no_other_waiting():
    world, writes = stored_world(TEXT, JPEG)
    go_on = slow_to_look(world, JPEG)
    picture = asyncio.create_task(world.ingestion.ingest(announced(JPEG)))
    await asyncio.sleep(0)
    assert await world.ingestion.ingest(announced(TEXT)) is Outcome.INGESTED
    assert sorted(world.frames.frames[BASE].files) == ["txt_00"]
    go_on.set()
    assert await picture is Outcome.INGESTED
    assert writes.count == 2
    assert sorted(world.frames.frames[BASE].files) == ["jpg_10", "txt_00"]


async def test_what_comes_while_a_frame_is_written_is_one_write_after_it():
    world, writes = stored_world(TEXT, JPEG, FITS)
    writes.go_on.clear()
    first = asyncio.create_task(world.ingestion.ingest(announced(TEXT)))
    await writes.begun.wait()
    rest = [asyncio.create_task(world.ingestion.ingest(announced(key))) for key in (JPEG, FITS)]
    await until(lambda: len(world.objects.fetched_keys) == 3)
    await asyncio.sleep(0.1)  # longer than they wait for each other
    writes.go_on.set()
    assert await asyncio.gather(first, *rest) == [Outcome.INGESTED] * 3
    assert writes.count == 2
    assert len(world.frames.outbox) == 3


async def test_of_files_written_together_one_that_cannot_be_costs_no_other():
    world, writes = stored_world(TEXT, JPEG)
    other = f"data/{BASE}-EX10.jpg"
    outcomes = await asyncio.gather(
        world.ingestion.ingest(announced(TEXT)),
        world.ingestion.ingest(notified(other)),
        world.ingestion.ingest(announced(other, sha256=sha256_of(b"another"))),
        return_exceptions=True,
    )
    assert outcomes[:2] == [Outcome.INGESTED, Outcome.INGESTED]
    assert isinstance(outcomes[2], TransientError)
    assert writes.count == 1


async def test_two_sites_that_send_one_name_together_are_not_one_frame():
    world, writes = stored_world("data/red.fits")
    outcomes = await asyncio.gather(
        *(world.ingestion.ingest(announced("data/red.fits", site=site)) for site in ("one", "two")),
        return_exceptions=True,
    )
    assert outcomes[0] is Outcome.INGESTED
    assert isinstance(outcomes[1], UsageError)
    assert writes.count == 1
    assert world.frames.frames["red"].site == "one"


async def test_a_write_that_fails_is_tried_again_by_the_others():
    world, writes = stored_world(TEXT, JPEG)
    writes.faults = [OutageError("the document store does not answer")]
    outcomes = await asyncio.gather(
        *(world.ingestion.ingest(announced(key)) for key in (TEXT, JPEG)), return_exceptions=True
    )
    (failed,) = [each for each in outcomes if isinstance(each, OutageError)]
    assert outcomes.count(Outcome.INGESTED) == 1, failed
    assert writes.count == 2
    assert len(world.frames.frames[BASE].files) == 1, "the message of the other comes again"


@pytest.mark.parametrize("keys", [(TEXT, JPEG), (JPEG, TEXT)])
async def test_what_cannot_be_stored_is_the_trouble_of_its_own_file_only(keys):
    world, _ = stored_world(*keys)
    save = world.frames.save

    async def refusing(frame, *args, **kwargs):
        if "txt_00" in frame.files:
            raise OverflowError("a number that no document can have")
        await save(frame, *args, **kwargs)

    world.frames.save = refusing
    outcomes = await asyncio.gather(*(world.ingestion.ingest(announced(key)) for key in keys), return_exceptions=True)
    by_key = dict(zip(keys, outcomes, strict=True))
    assert by_key[JPEG] is Outcome.INGESTED
    assert isinstance(by_key[TEXT], OverflowError)
    assert list(world.frames.frames[BASE].files) == ["jpg_10"]


async def test_who_is_cancelled_while_writing_for_all_takes_nobody_along():
    world, writes = stored_world(TEXT, JPEG)
    writes.go_on.clear()
    tasks = [asyncio.create_task(world.ingestion.ingest(announced(key))) for key in (TEXT, JPEG)]
    await writes.begun.wait()
    brought = world.recent._turns[BASE].brought
    await until(lambda: len(brought) == 2)
    leader, follower = tasks if brought[0].name.role == "txt_00" else reversed(tasks)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    writes.go_on.set()
    assert await follower is Outcome.INGESTED
    assert len(world.frames.frames[BASE].files) == 1


async def test_no_picture_is_asked_for_that_comes_with_the_frame():
    world, writes = stored_world(JPEG, THUMBNAIL)
    await asyncio.gather(*(world.ingestion.ingest(announced(key)) for key in (JPEG, THUMBNAIL)))
    assert writes.count == 1
    assert [event for event in world.frames.written if isinstance(event, PreviewRequested)] == []


async def test_a_file_announced_twice_at_once_is_told_once():
    world, writes = stored_world(TEXT)
    outcomes = await asyncio.gather(*(world.ingestion.ingest(say(TEXT)) for say in (announced, notified)))
    assert sorted(outcomes) == [Outcome.INGESTED, Outcome.UNCHANGED]
    assert writes.count == 1
    assert len(world.frames.outbox) == 1
