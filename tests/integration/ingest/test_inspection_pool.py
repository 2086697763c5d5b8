"""Processes that look inside files: whatever happens to one, the service goes on."""

import asyncio
import contextlib

import pytest

from datalab.documents.file_names import parse_file_name
from datalab.errors import UsageError
from datalab.processes.outcomes import WorkFailedError
from ingest.inspection.pool import InspectionPool
from support.fits_files import packed_fits

NAME = parse_file_name("tst-cam01-20260504-00000042-EX00.fits.fz")
GIBIBYTE = 1024**3


@contextlib.asynccontextmanager
async def running_pool(**options):
    defaults = {"processes": 1, "time_limit_s": 30, "memory_limit_bytes": GIBIBYTE, "max_expanded_bytes": GIBIBYTE}
    pool = InspectionPool(**(defaults | options))
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "image.fits.fz"
    path.write_bytes(packed_fits())
    return path


async def test_files_are_inspected_side_by_side(packed):
    async with running_pool(processes=2) as inspectors:
        found = await asyncio.gather(*(inspectors.inspect(packed, NAME) for _ in range(10)))
    assert {inspection.header.observation.target_name for inspection in found} == {"M 51"}


async def test_a_bad_file_is_told_and_the_process_goes_on(packed, tmp_path):
    bad = tmp_path / "bad.fits.fz"
    bad.write_bytes(packed.read_bytes()[:9000])
    async with running_pool() as inspectors:
        with pytest.raises(UsageError, match="the file ends"):
            await inspectors.inspect(bad, NAME)
        assert (await inspectors.inspect(packed, NAME)).media_type == "image/fits"


async def test_a_bug_is_told_as_such(tmp_path):
    async with running_pool() as inspectors:
        with pytest.raises(WorkFailedError, match="FileNotFoundError"):
            await inspectors.inspect(tmp_path / "gone", NAME)


async def test_too_little_memory_is_the_files_fault(packed):
    packed.write_bytes(packed.read_bytes() + b" ")
    huge = parse_file_name("tst-cam01-20260504-00000042-EX00.txt")
    packed.with_name("text").write_bytes(b"OBJECT  = 'M 51    '".ljust(80) * 50_000)
    async with running_pool(memory_limit_bytes=2 * 1024**2) as inspectors:
        with pytest.raises(UsageError, match="memory"):
            await inspectors.inspect(packed.with_name("text"), huge)


async def test_a_file_that_takes_too_long_twice_is_refused(packed):
    async with running_pool(time_limit_s=0.2, work="support.inspectors:sleeping") as inspectors:
        with pytest.raises(UsageError, match=r"cannot be read: it takes more than 0\.2 s"):
            await inspectors.inspect(packed, NAME)


async def test_a_file_that_ends_the_process_twice_is_refused(packed):
    async with running_pool(work="support.inspectors:ending") as inspectors:
        with pytest.raises(UsageError, match="the reading process ended with 7"):
            await inspectors.inspect(packed, NAME)


async def test_an_accident_of_the_process_is_not_the_files_fault(packed, tmp_path):
    async with running_pool(work="support.inspectors:ending_once") as inspectors:
        assert (await inspectors.inspect(packed, NAME)).media_type == "image/fits"
    assert (tmp_path / "once").exists()


async def test_an_abandoned_question_is_not_answered_to_the_next(packed):
    async with running_pool() as inspectors:
        question = asyncio.create_task(inspectors.inspect(packed, NAME))
        await asyncio.sleep(0)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        text = packed.with_name("text")
        text.write_bytes(b"OBJECT  = 'M 31    '".ljust(80))
        found = await inspectors.inspect(text, parse_file_name("tst-cam01-20260504-00000042-EX00.txt"))
        assert found.header.observation.target_name == "M 31"
