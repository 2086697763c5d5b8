"""Local copies of objects."""

import asyncio
import shutil
from dataclasses import replace

import pytest

from datalab.errors import OutageError, TransientError, UsageError
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import StoredObject
from ingest.arrivals.scratch import ScratchFolder
from support.ingest import BEGINNING, sha256_of

CONTENT = b"twelve bytes"
STORED = StoredObject(key="data/x", size_bytes=len(CONTENT), etag="e", sha256=None, modified_at=BEGINNING)


class OneObject:
    """Implements the part of `ObjectStore` that copies need."""

    async def fetch_file(self, key, path, *, max_bytes):
        if key != STORED.key:
            raise ObjectNotFoundError(f"no object {key!r}")
        path.write_bytes(CONTENT)
        return replace(STORED, sha256=sha256_of(CONTENT))


async def scratch_in(folder, **limits):
    scratch = ScratchFolder(folder=folder, objects=OneObject(), **{"max_file_bytes": 100, "reserve_bytes": 0} | limits)
    await scratch.start()
    return scratch


async def test_a_copy_lives_as_long_as_it_is_looked_at(tmp_path):
    async with (await scratch_in(tmp_path / "new")).fetched(STORED) as copy:
        assert copy.content.read_bytes() == CONTENT
        assert (copy.sha256, copy.etag, copy.modified_at) == (sha256_of(CONTENT), "e", BEGINNING)
    assert list((tmp_path / "new").iterdir()) == []


async def test_a_copy_goes_also_when_the_look_fails_or_is_cancelled(tmp_path):
    scratch = await scratch_in(tmp_path)
    with pytest.raises(ZeroDivisionError):
        async with scratch.fetched(STORED):
            raise ZeroDivisionError
    started = asyncio.Event()

    async def look():
        async with scratch.fetched(STORED):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(look())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


async def test_too_large_a_file_is_not_fetched(tmp_path):
    with pytest.raises(UsageError, match="has 12 bytes, at most 11 are ingested"):
        async with (await scratch_in(tmp_path, max_file_bytes=11)).fetched(STORED):
            pass


async def test_a_full_disk_is_waited_for(tmp_path):
    reserve = shutil.disk_usage(tmp_path).total - 1000  # of which something is in use, whoever writes meanwhile
    with pytest.raises(OutageError, match="no room for the 12 bytes"):
        async with (await scratch_in(tmp_path, reserve_bytes=reserve)).fetched(STORED):
            pass


async def test_a_disk_too_small_for_a_file_is_not_waited_for(tmp_path):
    reserve = shutil.disk_usage(tmp_path).total
    with pytest.raises(TransientError, match="no room for the 12 bytes") as refused:
        async with (await scratch_in(tmp_path, reserve_bytes=reserve)).fetched(STORED):
            pass
    assert not isinstance(refused.value, OutageError)


async def test_an_object_that_has_gone_since_is_waited_for(tmp_path):
    with pytest.raises(TransientError, match="has gone"):
        async with (await scratch_in(tmp_path)).fetched(replace(STORED, key="data/y")):
            pass


async def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    for name in ("a.copy", ".b.part", "notes"):
        (tmp_path / name).touch()
    await scratch_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
