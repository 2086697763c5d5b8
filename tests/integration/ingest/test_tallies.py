"""The tallies of frames are right, whatever is written while they are made."""

from datetime import UTC, datetime, timedelta

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import CLOSED, COMPLETE, FrameFile, Observation
from datalab.documents.frame_tally import COMPLETE_ID, EVERY_DAY, TALLIED_BY, unpacked_counts
from ingest.frames.model import FrameHeader, new_frame, with_file
from support.ingest import BEGINNING
from support.ingest_service import base_name
from support.session_api import frame_document

MAY = datetime(2026, 5, 4, 22, 0, tzinfo=UTC)
AT_ONCE = timedelta(0)


def frame_of(moment, base=None, *, public=True):
    name = parse_file_name(f"{base or base_name()}-EX00.fits.fz")
    file = FrameFile(key="data/x", size_bytes=1, sha256="0" * 64, etag="", media_type="", stored_at=BEGINNING)
    observation = Observation(observation_date=moment, filter_name="V", public_date=BEGINNING if public else None)
    header = FrameHeader(source="fits", cards={}, observation=observation, states_public_date=True)
    empty = new_frame(name=name, site="tst", frame_id=int(name.basename[-8:]), now=BEGINNING)
    return with_file(empty, name=name, file=file, header=header, now=BEGINNING + timedelta(days=1))


async def counts(database, **values):
    """Return the counts by day of the frames with some values, and the days that are left out."""
    found, left_out = {}, set()
    async for month in database["frame_tallies"].find({"_id": {"$ne": COMPLETE_ID}}):
        left_out |= {f"{month['_id']}-{day}" for day in month["marked"]}
        for cell in month["cells"] or ():
            said = dict(zip(TALLIED_BY, cell["values"], strict=True))
            if values.items() <= said.items():
                for day, count in enumerate(unpacked_counts(cell["counts"]), start=1):
                    if count:
                        date = f"{month['_id']}-{day:02}"
                        found[date] = found.get(date, 0) + count
    return found, left_out


async def test_what_was_there_before_there_were_tallies_is_tallied(database, frames):
    moments = [datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), MAY, MAY, datetime(9999, 12, 31, 12, tzinfo=UTC)]
    documents = [frame_document(f"f{n}", observation_date=moment) for n, moment in enumerate(moments)]
    pictures_only = frame_document("picture", observation_date=MAY, files={})
    await database["frames"].insert_many([*documents, pictures_only])
    assert await frames.tally() == 3
    assert await counts(database) == ({"1999-12-31": 1, "2026-05-04": 2, "9999-12-31": 1}, set())
    assert await frames.tally() == 0


async def test_a_day_that_is_written_to_is_left_out_until_it_is_quiet(database, frames):
    await frames.tally()
    await frames.save(frame_of(MAY), [])
    assert await counts(database) == ({}, {f"2026-05-{EVERY_DAY}", "2026-05-04"})
    await frames.tally()
    assert (await counts(database))[0] == {}
    await frames.tally(quiet=AT_ONCE)
    assert await counts(database) == ({"2026-05-04": 1}, set())


async def test_the_other_days_of_the_month_are_told_meanwhile(database, frames):
    await frames.tally()
    await frames.save(frame_of(MAY), [])
    await frames.save(frame_of(MAY + timedelta(days=3)), [])
    await frames.tally(quiet=AT_ONCE)
    frames._tallies._marked_at.clear()  # as after ten seconds
    await frames.save(frame_of(MAY), [])
    await database["frame_tallies"].update_one({"_id": "2026-05"}, {"$set": {"marked.07": BEGINNING}})
    await frames.tally()
    assert await counts(database) == ({"2026-05-07": 1}, {"2026-05-04"})


async def test_a_frame_that_moves_to_another_day_marks_both(database, frames):
    await frames.tally()
    frame = frame_of(MAY)
    await frames.save(frame, [])
    await frames.tally(quiet=AT_ONCE)
    frames._tallies._marked_at.clear()
    moved = frame.model_copy(update={"observation_date": MAY + timedelta(days=40), "revision": 2})
    await frames.save(moved, [], before=frame)
    assert (await counts(database))[1] >= {"2026-05-04", "2026-06-13"}
    await frames.tally(quiet=AT_ONCE)
    assert await counts(database) == ({"2026-06-13": 1}, set())


async def test_a_tally_made_while_a_day_is_marked_is_not_kept(database, frames):
    await frames.tally()
    await frames.save(frame_of(MAY), [])
    tallies = frames._tallies
    tally = tallies._frames.aggregate

    async def and_meanwhile(*args, **kwargs):
        rows = await tally(*args, **kwargs)
        tallies._marked_at.clear()
        await frames.save(frame_of(MAY), [])
        return rows

    tallies._frames.aggregate = and_meanwhile
    assert await frames.tally(quiet=AT_ONCE) == 0
    tallies._frames.aggregate = tally
    await frames.tally(quiet=AT_ONCE)
    assert await counts(database) == ({"2026-05-04": 2}, set())


async def test_frames_that_become_public_are_tallied_anew(database, frames):
    closed = frame_document("due", observation_date=MAY, proposal_id="P1", modified=MAY, created=MAY)
    assert closed["release"] == CLOSED
    await database["frames"].insert_one(closed)
    await frames.tally()
    assert (await counts(database, release=CLOSED))[0] == {"2026-05-04": 1}
    assert await frames.release_due() == 1
    assert "2026-05-04" in (await counts(database))[1]
    await frames.tally(quiet=AT_ONCE)
    assert (await counts(database, release=COMPLETE))[0] == {"2026-05-04": 1}
    assert (await counts(database, release=CLOSED))[0] == {}


async def test_what_was_written_without_a_mark_is_seen_a_day_later(database, frames):
    await database["frames"].insert_one(frame_document("f1", observation_date=MAY))
    await frames.tally()
    await database["frames"].insert_one(frame_document("f2", observation_date=MAY))
    assert await frames.tally() == 0
    tallied_at = {"tallied_at": datetime.now(UTC) - timedelta(days=2)}
    await database["frame_tallies"].update_one({"_id": "2026-05"}, {"$set": tallied_at})
    assert await frames.tally() == 1
    assert await counts(database) == ({"2026-05-04": 2}, set())


async def test_a_month_with_too_many_kinds_is_not_told_of(database, frames, monkeypatch):
    monkeypatch.setattr("ingest.frames.tallies.MOST_CELLS", 2)
    kinds = [frame_document(f"f{n}", observation_date=MAY, filter_name=str(n)) for n in range(3)]
    await database["frames"].insert_many(kinds)
    await frames.tally()
    (month,) = await database["frame_tallies"].find({"_id": {"$ne": COMPLETE_ID}}).to_list(None)
    assert (month["cells"], month["marked"]) == (None, {})
