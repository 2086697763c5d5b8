"""The reconciler finds what nobody announced, once."""

import asyncio
from datetime import timedelta

import pytest

from datalab.documents.upload import Outcome
from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from ingest.arrivals.model import Origin
from ingest.arrivals.reconciler import Reconciler
from support.ingest import BASE, FITS, JPEG, TEXT, Flaky, World, announced, later


def reconciler_of(world, **options):
    defaults = {"min_age_s": 30, "remembered_s": 172_800, "concurrency": 2}
    ports = {"objects": world.objects, "frames": world.frames, "uploads": world.uploads}
    return Reconciler(ingestion=world.ingestion, meter=world.meter, **{**ports, **defaults, **options})


async def test_what_nobody_announced_is_ingested_once():
    world = World()
    for key in (TEXT, FITS, JPEG):
        world.objects.put(key, key.encode())
    await world.ingestion.ingest(announced(TEXT))
    reconciler = reconciler_of(world)
    look = await reconciler.reconcile()
    assert (look.listed, look.found, look.ingested, look.rejected) == (3, 2, 2, 0)
    assert sorted(world.frames.frames[BASE].files) == ["fits_00", "jpg_10", "txt_00"]
    assert (await reconciler.reconcile()).found == 0
    assert world.meter.looks == [(3, 2), (3, 0)]


async def test_packed_files_take_no_places_of_others():
    world = World()
    packed = [f"data/{BASE}-EX0{number}.fits.gz" for number in range(3)]
    for key in (*packed, JPEG):
        world.objects.put(key, key.encode())
    inspect, others_are_done = world.inspector.inspect, asyncio.Event()

    async def inspected(path, name):
        if name.is_packed:
            await others_are_done.wait()
        else:
            others_are_done.set()
        return await inspect(path, name)

    world.inspector.inspect = inspected
    async with asyncio.timeout(10):
        assert (await reconciler_of(world).reconcile()).ingested == 4


async def test_a_replaced_file_is_found():
    world = World()
    world.objects.put(TEXT, b"old")
    reconciler = reconciler_of(world)
    await reconciler.reconcile()
    world.objects.put(TEXT, b"new", modified_at=later(1))
    assert (await reconciler.reconcile()).ingested == 1
    assert world.frames.frames[BASE].target_name == "new"


async def test_a_listing_without_etags_goes_by_size_and_second():
    world = World()
    world.objects.put(TEXT, b"old", modified_at=later(0.25))
    await world.ingestion.ingest(announced(TEXT))
    world.objects.put(TEXT, b"old", modified_at=later(0.75), etag="")
    assert (await reconciler_of(world).reconcile()).found == 0


async def test_a_bad_file_is_rejected_once_until_it_changes():
    world = World()
    world.objects.put("data/notes.doc", b"1")
    world.objects.put(FITS, b"")
    reconciler = reconciler_of(world)
    assert (await reconciler.reconcile()).rejected == 2
    assert (await reconciler.reconcile()).found == 0
    world.objects.put(FITS, b"now it is whole", modified_at=later(1))
    look = await reconciler.reconcile()
    assert (look.found, look.ingested) == (1, 1)
    assert len(world.rejections) == 2


async def test_a_file_unlike_its_announcement_is_not_slipped_in():
    world = World()
    world.objects.put(FITS, b"half")
    with pytest.raises(TransientError):
        await world.ingestion.ingest(announced(FITS, size_bytes=8))
    assert (await reconciler_of(world).reconcile()).found == 0
    assert world.frames.frames == {}


async def test_two_objects_of_one_role_do_not_take_turns_for_ever():
    world = World()
    world.objects.put(FITS, b"packed")
    world.objects.put(FITS.replace(".fz", ".bz2"), b"zipped", modified_at=later(1))
    reconciler = reconciler_of(world)
    for _ in range(3):
        await reconciler.reconcile()
    assert (await reconciler.reconcile()).found == 0
    assert world.frames.frames[BASE].files["fits_00"].key.endswith(".bz2")


async def test_young_files_and_names_without_a_site_are_left_to_their_announcement():
    world = World()
    world.objects.put(FITS, b"young", modified_at=utc_now() - timedelta(seconds=5))
    world.objects.put("data/M 51.fits", b"whose")
    world.objects.put("data/tst-20260504.token", b"the night is over")
    look = await reconciler_of(world).reconcile()
    assert (look.listed, look.found) == (3, 0)
    assert world.rejections == []


async def test_a_bug_with_one_file_is_recorded_and_the_others_go_on():
    world = World()
    world.objects.put(FITS, b"strange")
    world.objects.put(JPEG, b"picture")
    world.inspector.faults[b"strange"] = ZeroDivisionError("nobody foresaw this")
    look = await reconciler_of(world).reconcile()
    assert (look.ingested, look.rejected) == (1, 1)
    assert "ZeroDivision" not in str(world.rejections)
    assert world.meter.outcomes[Origin.RECONCILER, Outcome.INGESTED] == 1


async def test_what_fails_now_is_found_by_the_next_look():
    world = World(through=lambda port: Flaky(port, after_effect=False))
    world.objects.put(TEXT, b"a")
    reconciler = reconciler_of(world)
    looks = [await reconciler.reconcile()]
    while looks[-1].found and len(looks) < 1000:
        looks.append(await reconciler.reconcile())
    assert len(looks) > 2
    assert looks[-1].found == 0
    assert list(world.frames.frames[BASE].files) == ["txt_00"]
    assert len(world.frames.outbox) == 1


async def test_a_bug_met_while_the_store_is_away_is_met_again_by_the_next_look():
    world = World()
    world.objects.put(FITS, b"strange")
    world.inspector.faults[b"strange"] = ZeroDivisionError("nobody foresaw this")
    publish = world.publisher.publish

    async def away(event):
        raise TransientError("the bus is away")

    world.publisher.publish = away
    reconciler = reconciler_of(world)
    look = await reconciler.reconcile()
    assert (look.found, look.rejected) == (1, 0)
    world.publisher.publish = publish
    assert (await reconciler.reconcile()).rejected == 1


async def test_many_pages_ask_for_each_page_once():
    world = World()
    for number in range(2500):
        world.objects.put(f"data/tst-cam01-20260504-{number:08d}-EX10.jpg", b"x")
    reconciler = reconciler_of(world)
    assert (await reconciler.reconcile()).ingested == 2500
    asked = []
    files_of = world.frames.files_of

    async def counted(basenames):
        asked.append(len(basenames))
        return await files_of(basenames)

    world.frames.files_of = counted
    look = await reconciler.reconcile()
    assert (look.listed, look.found) == (2500, 0)
    assert asked == [1000, 1000, 500]
