"""Frames go with all their files, once, whatever is killed meanwhile."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from unittest.mock import Mock

import pytest

from datalab.errors import AwaitedError, PostponedError
from datalab.events.envelope import utc_now
from datalab.events.frames import FileStored, FrameRemovalRequested, FrameRemoved, RemovalCause
from datalab.events.topology import REMOVALS
from datalab.platform import assembly
from datalab.platform.documents.core import DocumentCore
from ingest.arrivals.announcements import arrival_of
from ingest.arrivals.assembly import build
from ingest.frames.recent import RecentFrames
from ingest.removal.repository import RemovedFrameRepository
from ingest.removal.service import FrameRemovals
from support.fits_files import header_text, packed_fits
from support.ingest_service import base_name, running, settings_for_tests, surroundings
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 picture"
CONTENTS = {"EF10.jpg": JPEG, "EF00.txt": header_text(), "EF00.fits.fz": packed_fits()}
GONE = timedelta(seconds=-5)


class KilledError(BaseException):
    """The end of a process, as far as a test of one can have it."""


@dataclass
class Mortal:
    """Something that lives for so many calls; the call it dies in has taken effect, or has not."""

    wrapped: object
    life: list
    after_effect: bool
    calls: list = field(default_factory=list)

    def __getattr__(self, name):
        attribute = getattr(self.wrapped, name)
        if not asyncio.iscoroutinefunction(attribute):
            return attribute

        async def call(*args, **kwargs):
            self.life[0] -= 1
            if self.life[0] < 0 and not self.after_effect:
                raise KilledError(name)
            result = await attribute(*args, **kwargs)
            if self.life[0] < 0:
                raise KilledError(name)
            return result

        return call


@pytest.fixture(scope="module")
async def settings(module_settings_environment, tmp_path_factory):
    return settings_for_tests(
        tmp_path_factory.mktemp("scratch"),
        expire_after_s={"EF": 3600, "EP": 3600},
        expire_after_s_at_sites={"tst": 3600},
        expiry_interval_s=3600,
    )


@pytest.fixture(scope="module")
async def observatory(settings):
    async with surroundings(settings) as around:
        yield around


@pytest.fixture(scope="module")
async def here(settings, observatory):
    """The parts of the service, which hears and does nothing by itself but relay."""
    core = DocumentCore(settings, service="ingest")
    arriving = build(core, settings, recent=RecentFrames())
    removed = RemovedFrameRepository(database=core.documents.database, relay=core.relay)

    def removals(*, life=(10_000,), after_effect=True):
        left = list(life)

        def mortal(part):
            return Mortal(part, left, after_effect)

        return FrameRemovals(
            frames=mortal(arriving.frames),
            removed=mortal(removed),
            uploads=mortal(arriving.uploads),
            objects=mortal(core.objects),
            meter=Mock(),
        )

    capability = assembly.Capability(
        resources=arriving.capability.resources, indexes=[*arriving.capability.indexes, removed.ensure_indexes]
    )
    async with assembly.running(core, [capability]):
        yield Parts(arriving, removals, core)


@dataclass
class Parts:
    arriving: object
    removals: object
    core: object


async def exposed(here, observatory, base, contents=CONTENTS, *, due=True):
    """Ingest an exposure; return its frame as it is stored, with nothing to be told any more."""
    for ending, content in contents.items():
        key = await observatory.put(f"{base}-{ending}", content)
        await here.arriving.ingestion.ingest(arrival_of(FileStored(site=base[:3], key=key)))
    if due:
        await observatory.database["frames"].update_one({"_id": base}, {"$set": {"expires_at": utc_now() + GONE}})

    async def told():
        frame = await observatory.database["frames"].find_one({"_id": base})
        return frame if frame["outbox"] == [] else None

    return await until(told)


async def stored_keys(observatory, base):
    return [stored.key async for stored in observatory.objects.list(f"data/{base}")]


async def removals_told(observatory, base):
    return [event for event in await observatory.all_told(FrameRemoved) if event.basename == base]


async def test_an_expired_frame_goes_with_all_its_files_and_is_told_of_once(here, observatory):
    base = base_name()
    frame = await exposed(here, observatory, base)
    others = base_name()
    await exposed(here, observatory, others, due=False)
    # A file that was refused has the frame's name, and is nothing without it.
    refused = await observatory.put(f"{base}-EF00.fits", b"no FITS")
    stored = await observatory.objects.stat(refused)
    # The store counts whole seconds: what is this young could be a new file.
    await until(lambda: utc_now() >= stored.modified_at.replace(microsecond=0) + timedelta(seconds=2))
    assert await here.removals().look() == 1
    assert await here.removals().look() == 0
    assert await observatory.database["frames"].find_one({"_id": base}) is None
    assert await stored_keys(observatory, base) == []
    assert len(await stored_keys(observatory, others)) == 3
    (event,) = await until(lambda: removals_told(observatory, base))
    assert (event.site, event.frame_id, event.cause) == ("tst", frame["frame_id"], RemovalCause.EXPIRED)
    assert set(event.keys) == {file["key"] for file in frame["files"].values()} | {refused}
    remembered = await observatory.database["removed_frames"].find_one({"_id": frame["frame_id"]})
    assert (remembered["basename"], remembered["cause"]) == (base, "expired")


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_killed_between_any_two_steps_it_goes_all_the_same_and_is_told_of_once(here, observatory, after_effect):
    for life in range(40):
        base = base_name()
        await exposed(here, observatory, base)
        killed = False
        try:
            await here.removals(life=[life], after_effect=after_effect).look()
        except KilledError:
            killed = True
        if killed:
            marked = await observatory.database["frames"].find_one({"_id": base}, {"removal": True, "release": True})
            if marked and marked.get("removal"):
                assert marked["release"] == 0
        await here.removals().look()
        assert await observatory.database["frames"].find_one({"_id": base}) is None
        assert await stored_keys(observatory, base) == []
        await until(lambda base=base: removals_told(observatory, base))
        assert len(await removals_told(observatory, base)) == 1
        if not killed:
            break
    assert not killed
    assert life > 8  # there were so many steps to be killed between


async def test_who_could_read_it_cannot_from_the_mark_on_and_files_wait(here, observatory):
    base = base_name()
    await exposed(here, observatory, base)
    with pytest.raises(KilledError):
        await here.removals(life=[3]).look()
    marked = await observatory.database["frames"].find_one({"_id": base})
    assert (marked["release"], marked["public_date"], marked["proposal_id"]) == (0, None, None)
    assert marked["removal"]["proposal_id"] == "PTR2026-007"
    again = await observatory.put(f"{base}-EF11.jpg", JPEG)
    with pytest.raises(PostponedError, match="is just being removed"):
        await here.arriving.ingestion.ingest(arrival_of(FileStored(site="tst", key=again)))
    await here.removals().look()
    assert await stored_keys(observatory, base) == [again]  # what came after the mark is not what was to go
    await here.arriving.ingestion.ingest(arrival_of(FileStored(site="tst", key=again)))
    frame = await observatory.frame(base, files=1)
    assert frame["frame_id"] != marked["frame_id"]
    assert frame["expires_at"] > utc_now()
    (event,) = await until(lambda: removals_told(observatory, base))
    assert event.proposal_id == "PTR2026-007"


async def test_the_same_file_sent_again_is_a_new_frame_with_a_life_of_its_own(here, observatory):
    base = base_name()
    first = await exposed(here, observatory, base, {"EF10.jpg": JPEG})
    await here.removals().look()
    await here.removals().look()
    second = await exposed(here, observatory, base, {"EF10.jpg": JPEG}, due=False)
    assert second["frame_id"] > first["frame_id"]
    assert await here.removals().look() == 0
    await here.removals().remove(FrameRemovalRequested(frame_id=first["frame_id"], basename=base, requested_by="ada"))
    assert await observatory.database["frames"].find_one({"_id": base}) is not None  # another one was meant


async def test_the_same_bytes_sent_again_after_the_mark_stay(here, observatory):
    base = base_name()
    await exposed(here, observatory, base, {"EF10.jpg": JPEG})
    with pytest.raises(KilledError):
        await here.removals(life=[3]).look()
    key = f"data/{base}-EF10.jpg"
    marked = await observatory.database["frames"].find_one({"_id": base})
    await until(lambda: later_than(observatory, key, marked["removal"]["marked_at"]))
    await here.removals().look()
    assert await stored_keys(observatory, base) == [key]
    await here.arriving.ingestion.ingest(arrival_of(FileStored(site="tst", key=key)))
    assert (await observatory.frame(base, files=1))["frame_id"] > marked["frame_id"]


async def later_than(observatory, key, moment):
    """Send the same bytes until the store, which counts seconds, tells them from those before a moment."""
    await observatory.put(key.removeprefix("data/"), JPEG)
    return (await observatory.objects.stat(key)).modified_at > moment.replace(microsecond=0) + timedelta(seconds=1)


async def test_who_finishes_late_leaves_the_next_frame_of_the_name_alone(here, observatory):
    base = base_name()
    await exposed(here, observatory, base)
    with pytest.raises(KilledError):
        await here.removals(life=[3]).look()
    late = here.removals()
    stale = await here.arriving.frames.find_any_frame(base)
    assert stale.removal is not None
    await here.removals().look()
    again = await exposed(here, observatory, base, due=False)
    assert await late._finish(stale)
    assert sorted(await stored_keys(observatory, base)) == sorted(f"data/{base}-{ending}" for ending in CONTENTS)
    assert await observatory.database["frame_headers"].find_one({"_id": again["header_id"]}) is not None


async def test_a_file_whose_frame_goes_while_it_is_looked_into_makes_no_new_one(here, observatory, monkeypatch):
    base = base_name()
    await exposed(here, observatory, base, {"EF10.jpg": JPEG})
    key = await observatory.put(f"{base}-EF00.txt", CONTENTS["EF00.txt"])
    ingestion = here.arriving.ingestion
    inspect = ingestion._inspector.inspect

    async def slowly(*file):
        found = await inspect(*file)
        await observatory.database["frames"].update_one({"_id": base}, {"$set": {"expires_at": utc_now() + GONE}})
        await until(lambda: gone(here, observatory, base))
        await observatory.objects.delete(key)  # as the removal does, by the clock of a store that counts seconds
        return found

    monkeypatch.setattr(ingestion._inspector, "inspect", slowly)
    with pytest.raises(AwaitedError, match="has gone"):
        await ingestion.ingest(arrival_of(FileStored(site="tst", key=key)))
    assert await observatory.database["frames"].find_one({"_id": base}) is None


async def gone(here, observatory, base):
    await here.removals().look()
    return await observatory.database["frames"].find_one({"_id": base}) is None


async def test_what_was_refused_beside_a_frame_is_not_known_as_refused_when_that_has_gone(here, observatory):
    base = base_name()
    await exposed(here, observatory, base, {"EF10.jpg": JPEG})
    key = f"data/{base}-EF10.jpg"
    await here.arriving.uploads.refuse(await observatory.objects.stat(key), "another one is newer")
    await here.removals().look()
    assert await here.arriving.uploads.refused([key]) == {}


async def test_two_who_look_at_once_remove_it_once(here, observatory):
    bases = [base_name() for _ in range(10)]
    for base in bases:
        await exposed(here, observatory, base, {"EF10.jpg": JPEG})
    await asyncio.gather(*(here.removals().look() for _ in range(4)))
    await here.removals().look()
    for base in bases:
        await until(lambda base=base: removals_told(observatory, base))
        assert len(await removals_told(observatory, base)) == 1
        assert await stored_keys(observatory, base) == []


async def test_a_frame_somebody_asked_to_remove_goes(settings, here, observatory, tmp_path):
    base = base_name()
    frame = await exposed(here, observatory, base, due=False)
    async with running(settings.model_copy(update={"scratch_dir": tmp_path / "other"})):
        request = FrameRemovalRequested(frame_id=frame["frame_id"], basename=base, requested_by="ada")
        await observatory.bus.publish(request)
        (event,) = await until(lambda: removals_told(observatory, base))
        assert (event.cause, event.correlation_id) == (RemovalCause.REQUESTED, request.correlation_id)
        await observatory.bus.publish(request.model_copy(update={"event_id": "again"}))
        await observatory.bus.publish(
            FrameRemovalRequested(frame_id=999_999, basename="never there", requested_by="ada")
        )

        async def settled():
            info = await observatory.bus.jetstream.consumer_info(REMOVALS.name, "frame-removal")
            return info.num_pending == info.num_ack_pending == 0

        await until(settled)
    assert await stored_keys(observatory, base) == []
    assert await observatory.database["frames"].find_one({"_id": base}) is None
    assert len(await removals_told(observatory, base)) == 1


async def test_a_process_killed_while_frames_expire_leaves_nothing_undone(
    settings, here, observatory, tmp_path, module_settings_environment
):
    bases = [base_name() for _ in range(30)]
    for base in bases:
        await exposed(here, observatory, base, {"EF10.jpg": JPEG, "EF00.txt": CONTENTS["EF00.txt"]})
    environment = {
        **os.environ,
        "DATALAB_HTTP_PORT": "0",
        "DATALAB_SCRATCH_DIR": str(tmp_path / "killed"),
        "DATALAB_EXPIRY_INTERVAL_S": "0.2",
        "DATALAB_LOG_LEVEL": "ERROR",
    }

    async def gone(number):
        return len(await removals_told_of(observatory, bases)) >= number

    for number in (3, 12):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", env=environment)
        await until(lambda number=number: gone(number))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    last = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", env=environment)
    try:
        await until(lambda: gone(len(bases)))

        async def no_document():
            return await observatory.database["frames"].count_documents({"_id": {"$in": bases}}) == 0

        await until(no_document)
    finally:
        last.send_signal(signal.SIGTERM)
        assert await last.wait() in {0, -signal.SIGTERM}
    assert sorted(await removals_told_of(observatory, bases)) == sorted(bases)
    for base in bases:
        assert await stored_keys(observatory, base) == []


async def removals_told_of(observatory, bases):
    return [event.basename for event in await observatory.all_told(FrameRemoved) if event.basename in bases]
