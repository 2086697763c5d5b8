"""Files become frames: in memory, and in a world in which every second call fails."""

import asyncio
import dataclasses
from itertools import permutations

import pytest

from datalab.documents.upload import Outcome
from datalab.errors import AwaitedError, OutageError, PostponedError, TransientError, UsageError
from datalab.events.frames import FileRejected, FileUnchanged
from ingest.arrivals.model import UNKNOWN_SITE, Origin
from support.ingest import BASE, FITS, JPEG, TEXT, Flaky, World, announced, later, notified, sha256_of


def stored_world(**options):
    world = World(**options)
    for key in (TEXT, FITS, JPEG):
        world.objects.put(key, key.encode())
    return world


async def persist(world, arrivals):
    """Do what the bus does with a message that has to be tried again."""
    for _ in range(200):
        try:
            return await world.ingestion.ingest_all(arrivals)
        except TransientError:
            continue
    raise AssertionError("never settled")


async def test_a_file_becomes_a_frame_with_one_event():
    world = stored_world()
    assert await world.ingestion.ingest(announced(FITS)) is Outcome.INGESTED
    frame = world.frames.frames[BASE]
    assert (frame.site, frame.frame_id, frame.files["fits_00"].sha256) == ("tst", 1, sha256_of(FITS.encode()))
    (event,) = world.frames.outbox
    assert (event.frame_id, event.key, event.roles, event.target_name) == (1, FITS, ("fits_00",), FITS)
    assert event.correlation_id == f"said-{FITS}"
    (entry,) = world.uploads.entries.values()
    assert (entry.site, entry.key, entry.outcome) == ("tst", FITS, Outcome.INGESTED)


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("keys", list(permutations((TEXT, FITS, JPEG))))
async def test_any_order_in_a_failing_world_gives_the_same_frame_and_one_event_per_file(keys, after_effect):
    world = stored_world(through=lambda port: Flaky(port, after_effect=after_effect))
    for key in keys:
        await persist(world, [announced(key)])
        await persist(world, [notified(key)])
    frame = world.frames.frames[BASE]
    assert sorted(frame.files) == ["fits_00", "jpg_10", "txt_00"]
    assert (frame.header_source, frame.target_name) == ("text", TEXT)
    assert [event.key for event in world.frames.outbox] == list(keys)
    assert len({event.event_id for event in world.frames.outbox}) == 3
    assert {entry.outcome for entry in world.uploads.entries.values()} == {Outcome.INGESTED}


async def test_files_arriving_at_once_make_one_frame():
    world = stored_world()
    arrivals = [say(key) for key in (TEXT, FITS, JPEG) for say in (announced, notified)]
    await asyncio.gather(*(world.ingestion.ingest(arrival) for arrival in arrivals))
    assert sorted(world.frames.frames[BASE].files) == ["fits_00", "jpg_10", "txt_00"]
    assert len(world.frames.outbox) == 3


async def test_a_repetition_is_settled_without_fetching():
    world = stored_world()
    await world.ingestion.ingest(announced(FITS))
    assert await world.ingestion.ingest(announced(FITS, sha256=sha256_of(FITS.encode()))) is Outcome.UNCHANGED
    assert world.objects.fetched_keys == [FITS]
    assert len(world.frames.outbox) == 1


async def test_an_observatory_is_told_of_a_file_that_changes_nothing():
    world = stored_world()
    await world.ingestion.ingest(announced(FITS))
    assert world.published(FileUnchanged) == []
    for arrival in (notified(FITS), announced(FITS), announced(FITS), announced("data/end-of-night.token")):
        await world.ingestion.ingest(arrival)
    assert [(event.key, event.correlation_id, event.site) for event in world.published(FileUnchanged)] == [
        (FITS, f"said-{FITS}", "tst"),
        ("data/end-of-night.token", "said-data/end-of-night.token", "tst"),
    ]


async def test_a_replaced_file_is_told_and_the_same_bytes_again_are_not():
    world = stored_world()
    await world.ingestion.ingest(announced(TEXT))
    world.objects.put(TEXT, b"another header", modified_at=later(5))
    assert await world.ingestion.ingest(announced(TEXT)) is Outcome.INGESTED
    assert world.frames.frames[BASE].target_name == "another header"
    world.objects.put(TEXT, b"another header", modified_at=later(9), etag="of a multipart upload")
    assert await world.ingestion.ingest(announced(TEXT)) is Outcome.UNCHANGED
    assert world.frames.frames[BASE].files["txt_00"].stored_at == later(9)
    assert len(world.frames.outbox) == 2


async def test_an_absent_object_is_waited_for_then_given_up():
    world = World()
    with pytest.raises(TransientError, match="there is no object"):
        await world.ingestion.ingest(announced(FITS))
    assert world.rejections == []
    await world.ingestion.give_up([announced(FITS)], "there is no object")
    assert world.rejections == [(FITS, "there is no object")]
    assert world.uploads.refusals == {}


async def test_a_site_hears_so_many_refusals_of_what_it_announced_and_another_site_its_own():
    world = World()
    for number in range(10):
        site = "oth" if number == 9 else "tst"
        arrival = announced(f"data/{number}.fits", site=site)
        await world.ingestion.give_up([arrival], "there is no object", refused=True)
    assert [event.site for event in world.published(FileRejected)] == ["tst"] * 3 + ["oth"]
    # What is wrong with a file is told of every file; so is what was said of a file by nobody.
    for number in range(10):
        world.objects.put(f"data/{BASE}-EX0{number}.fits", b"")
        with pytest.raises(UsageError, match="is empty"):
            await world.ingestion.ingest(announced(f"data/{BASE}-EX0{number}.fits"))
    assert len(world.rejections) == 4 + 10


@pytest.mark.parametrize("kind", [OutageError, PostponedError, TransientError, AwaitedError])
async def test_what_has_to_be_tried_again_keeps_its_kind(kind):
    """Of a message with several files, too: an outage must not count as a try."""
    world = stored_world()
    heavier = [OutageError, PostponedError, TransientError, AwaitedError]
    failures = iter([AwaitedError("x"), *(each("x") for each in heavier[heavier.index(kind) :])])

    async def stat(key):
        if key == TEXT:
            raise next(failures)

    world.objects.stat = stat
    arrivals = [notified(TEXT)] * (5 - heavier.index(kind))
    with pytest.raises(TransientError) as raised:
        await world.ingestion.ingest_all([notified("data/x"), *arrivals])
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("said", "difference"),
    [({"size_bytes": 1}, "bytes, announced were 1"), ({"sha256": "0" * 64}, f"announced was {'0' * 64}")],
)
async def test_a_file_unlike_the_announced_one_is_waited_for_and_meanwhile_refused(said, difference):
    world = stored_world()
    with pytest.raises(TransientError, match=difference):
        await world.ingestion.ingest(announced(FITS, **said))
    assert world.frames.frames == {}
    assert FITS in world.uploads.refusals
    await world.ingestion.give_up([announced(FITS, **said)], "what the bus says")
    assert world.rejections == [(FITS, "what the bus says")]


@pytest.mark.parametrize("in_the_log", [True, False])
async def test_what_was_taken_in_is_not_refused_because_its_replacement_was_announced_early(in_the_log):
    world = stored_world()
    await world.ingestion.ingest(announced(FITS))
    entries = dict(world.uploads.entries)
    if not in_the_log:  # it is kept for two days
        world.uploads.entries.clear()
    with pytest.raises(TransientError, match="announced were 1"):
        await world.ingestion.ingest(announced(FITS, size_bytes=1))
    assert world.uploads.refusals == {}
    assert world.uploads.entries == (entries if in_the_log else {})


async def test_giving_up_leaves_out_what_was_settled():
    world = stored_world()
    await world.ingestion.ingest(announced(TEXT))
    bad_name = announced("data/nonsense")
    await world.ingestion.give_up(
        [announced(TEXT), bad_name, announced("info-images/a.jpg"), announced(FITS)], "broken"
    )
    assert world.rejections == [(FITS, "broken")]


async def test_giving_up_needs_no_working_store():
    world = World(through=lambda port: port)
    world.objects.stat = Flaky(world.objects, after_effect=False).stat
    await world.ingestion.give_up([announced(FITS)], "the store is away")
    assert world.rejections == [(FITS, "the store is away")]


@pytest.mark.parametrize(
    ("arrival", "site", "reason"),
    [
        (notified("data/notes.doc"), UNKNOWN_SITE, "is neither"),
        (announced("data/notes.doc"), "tst", "is neither"),
        (announced("elsewhere/x.fits"), "tst", "is in none of the folders"),
        (notified("data/tst-cam01-20269904-00000042-EX00.fits"), "tst", "not a day"),
    ],
)
async def test_a_wrong_name_is_rejected_with_the_reason(arrival, site, reason):
    world = stored_world()
    world.objects.put(arrival.key, b"something")
    with pytest.raises(UsageError, match=reason):
        await world.ingestion.ingest(arrival)
    (event,) = world.publisher.events.values()
    assert (event.site, event.key) == (site, arrival.key)
    assert arrival.key in world.uploads.refusals
    assert [(entry.outcome, entry.site) for entry in world.uploads.entries.values()] == [(Outcome.REJECTED, site)]


async def test_a_damaged_file_is_rejected_with_the_reason_also_when_every_second_call_fails():
    world = stored_world(through=lambda port: Flaky(port, after_effect=True))
    world.inspector.faults[FITS.encode()] = UsageError("HDU 1 is cut short")
    with pytest.raises(UsageError, match="HDU 1 is cut short"):
        await persist(world, [announced(FITS)])
    assert world.rejections == [(FITS, "HDU 1 is cut short")]
    assert world.uploads.refusals[FITS][1] == "HDU 1 is cut short"


async def test_an_empty_file_is_rejected():
    world = World()
    world.objects.put(FITS, b"")
    with pytest.raises(UsageError, match="is empty"):
        await world.ingestion.ingest(announced(FITS))


async def test_an_observatory_cannot_write_or_discredit_the_files_of_another():
    world = stored_world()
    for arrival in (announced(FITS, site="mrc"), announced("data/tfn0m419-sq32-20260504-0061-e91.fits", site="tst")):
        with pytest.raises(UsageError, match="says site"):
            await world.ingestion.ingest(arrival)
    assert [event.site for event in world.publisher.events.values()] == ["mrc", "tst"]
    assert (world.frames.frames, world.uploads.refusals, world.uploads.entries) == ({}, {}, {})


async def test_any_fits_file_belongs_to_the_observatory_that_announces_it_first():
    world = World()
    world.objects.put("data/M 51.fits", b"M 51")
    assert await world.ingestion.ingest(notified("data/M 51.fits")) is Outcome.IGNORED
    assert await world.ingestion.ingest(announced("data/M 51.fits", site="mrc")) is Outcome.INGESTED
    assert world.frames.frames["M 51"].site == "mrc"
    with pytest.raises(UsageError, match="belongs to site 'mrc', not to 'tst'"):
        await world.ingestion.ingest(announced("data/M 51.fits"))
    assert world.uploads.refusals == {}


async def test_other_folders_are_left_alone():
    world = World()
    for key in ("test/anything at all", "versions/data/x.fits", "downloads/x.tif"):
        world.objects.put(key, b"x")
        assert await world.ingestion.ingest(notified(key)) is Outcome.IGNORED
    assert world.rejections == []


async def test_packed_files_are_inspected_one_after_the_other_and_nobody_waits_behind_them():
    world = World()
    packed = [f"data/{BASE}-EX0{number}.fits.{ending}" for number, ending in enumerate(("gz", "bz2", "gz", "gz"))]
    for key in (*packed, FITS):
        world.objects.put(key, key.encode())
    inspect, unpacked, inspected = world.inspector.inspect, asyncio.Event(), []

    async def slow(path, name):
        inspected.append(name.compression)
        if name.is_packed:
            await unpacked.wait()
        return await inspect(path, name)

    world.inspector.inspect = slow
    async with asyncio.TaskGroup() as group:
        for key in packed[:2]:
            group.create_task(world.ingestion.ingest(announced(key)))
        await asyncio.sleep(0)
        found = group.create_task(
            world.ingestion.ingest(dataclasses.replace(notified(packed[2]), origin=Origin.RECONCILER))
        )
        with pytest.raises(PostponedError, match="other packed files"):
            await world.ingestion.ingest_all([announced(packed[3])])
        assert await world.ingestion.ingest(announced(FITS)) is Outcome.INGESTED
        assert inspected == ["gz", "fz"]
        unpacked.set()
        assert await found is Outcome.INGESTED
    assert await world.ingestion.ingest(announced(packed[3])) is Outcome.INGESTED
    assert sorted(world.frames.frames[BASE].files) == ["fits_00", "fits_01", "fits_02", "fits_03"]


async def test_one_bad_file_of_a_message_does_not_cost_the_others():
    world = stored_world()
    with pytest.raises(UsageError, match="is neither"):
        await world.ingestion.ingest_all([notified("data/x"), notified(TEXT)])
    with pytest.raises(TransientError, match="there is no object"):
        await world.ingestion.ingest_all([notified("data/x"), announced("data/M 51.fits"), notified(JPEG)])
    assert sorted(world.frames.frames[BASE].files) == ["jpg_10", "txt_00"]


async def test_every_outcome_is_counted_by_origin():
    world = stored_world()
    await world.ingestion.ingest(announced(TEXT))
    await world.ingestion.ingest(notified(TEXT))
    with pytest.raises(UsageError):
        await world.ingestion.ingest(notified("data/x"))
    assert world.meter.outcomes == {
        (Origin.OBSERVATORY, Outcome.INGESTED): 1,
        (Origin.OBJECT_STORE, Outcome.UNCHANGED): 1,
        (Origin.OBJECT_STORE, Outcome.REJECTED): 1,
    }


@pytest.mark.parametrize(("open_sites", "is_open"), [((), False), (("abc",), False), (("tst",), True), (("*",), True)])
async def test_frames_without_a_date_are_public_where_the_site_is_open(open_sites, is_open):
    world = stored_world(open_sites=open_sites)
    await world.ingestion.ingest(announced(JPEG))
    assert world.frames.frames[BASE].public_date is None, "its header may still name a date"
    await world.ingestion.ingest(announced(FITS))
    frame = world.frames.frames[BASE]
    assert frame.public_date == (frame.created if is_open else None)
    assert world.frames.outbox[-1].public_date == frame.public_date
