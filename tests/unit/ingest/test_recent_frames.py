"""What a process remembers of the frames it has written."""

import asyncio
import math
from time import monotonic

import pytest

from datalab.documents.upload import Outcome
from datalab.errors import UsageError
from ingest.frames.recent import RecentFrames
from support.ingest import BASE, FITS, JPEG, TEXT, World, announced
from support.stored_documents import bare_frame


async def test_a_frame_is_one_tasks_at_a_time_and_others_are_free():
    recent, order = RecentFrames(), []

    async def take(basename, name):
        async with recent.turn(basename):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(take("a", 1), take("a", 2), take("b", 3))
    assert order.index("1 out") < order.index("2 in")
    assert order.index("3 in") < order.index("1 out")


async def test_the_latest_is_what_was_read_or_what_was_written_here():
    recent, frame = RecentFrames(), bare_frame()
    later, another = frame.model_copy(update={"revision": 5}), frame.model_copy(update={"frame_id": 77, "revision": 1})
    async with recent.turn("a") as turn:
        assert turn.newer(frame, asked_at=0.0) is frame
        assert turn.newer(None, asked_at=0.0) is None
        before = monotonic()
        turn.wrote(later)
    async with recent.turn("a") as turn:
        assert turn.newer(frame, asked_at=before) is later
        assert turn.newer(None, asked_at=before) is later
        assert turn.newer(None, asked_at=math.inf) is None, "it was removed since"
        assert turn.newer(another, asked_at=before) is another, "it was removed, and there is one of the same name"
        assert turn.newer(later.model_copy(update={"revision": 6}), asked_at=before).revision == 6


async def test_not_all_are_remembered_and_none_that_is_waited_for_is_forgotten():
    recent = RecentFrames()
    async with recent.turn("first") as first:
        first.wrote(bare_frame())
        for number in range(1000):
            async with recent.turn(f"frame {number}") as turn:
                turn.wrote(bare_frame())
    async with recent.turn("first") as turn:
        assert turn.frame is not None
    async with recent.turn("frame 0") as turn:
        assert turn.frame is None


async def test_files_that_come_together_are_written_without_losing_a_race():
    world = World()
    for key in (TEXT, FITS, JPEG):
        world.objects.put(key, key.encode())
    numbers = world.frames.next_frame_id

    async def next_frame_id():
        await asyncio.sleep(0)
        return await numbers()

    world.frames.next_frame_id = next_frame_id
    await asyncio.gather(*(world.ingestion.ingest(announced(key)) for key in (TEXT, FITS, JPEG)))
    assert sorted(world.frames.frames[BASE].files) == ["fits_00", "jpg_10", "txt_00"]
    assert await numbers() == 2, "one number was taken: nobody began a frame that was there"


async def test_what_is_remembered_is_not_another_sites():
    """Both send a file of one name at the same time: whoever is later is refused."""
    world = World()
    world.objects.put("data/red.fits", b"of the first")
    outcomes = await asyncio.gather(
        *(world.ingestion.ingest(announced("data/red.fits", site=site)) for site in ("one", "two")),
        return_exceptions=True,
    )
    (refusal,) = [each for each in outcomes if isinstance(each, UsageError)]
    assert "belongs to site" in refusal.message
    with pytest.raises(UsageError, match="belongs to site"):
        await world.ingestion.ingest(announced("data/red.fits", site="three"))


@pytest.mark.parametrize("key", [TEXT, JPEG])
async def test_a_frame_that_went_since_it_was_written_here_is_made_anew(key):
    """Of a file that it had, and of another."""
    world = World()
    for each in (TEXT, JPEG):
        world.objects.put(each, each.encode())
    await world.ingestion.ingest(announced(TEXT))
    former = world.frames.frames.pop(BASE)
    assert await world.ingestion.ingest(announced(key)) is Outcome.INGESTED
    frame = world.frames.frames[BASE]
    assert [file.key for file in frame.files.values()] == [key]
    assert frame.frame_id != former.frame_id


async def test_a_frame_that_was_written_elsewhere_since_keeps_what_it_got_there():
    world = World()
    for key in (TEXT, JPEG):
        world.objects.put(key, key.encode())
    await world.ingestion.ingest(announced(TEXT))
    mine = world.frames.frames[BASE]
    world.frames.frames[BASE] = mine.model_copy(update={"filter_name": "elsewhere", "revision": mine.revision + 1})
    await world.ingestion.ingest(announced(JPEG))
    frame = world.frames.frames[BASE]
    assert (frame.filter_name, sorted(frame.files)) == ("elsewhere", ["jpg_10", "txt_00"])
