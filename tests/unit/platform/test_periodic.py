import asyncio
import contextlib
from itertools import count

import pytest

from datalab.errors import TransientError
from datalab.platform.periodic import Periodic
from datalab.platform.tasks import end_tasks


@contextlib.asynccontextmanager
async def repeating(periodic):
    task = asyncio.create_task(periodic.repeat())
    try:
        async with asyncio.timeout(5):
            yield task
    finally:
        await end_tasks(task)


@pytest.mark.parametrize("failure", [TransientError("the store does not answer"), ValueError("a bug")])
async def test_a_failure_does_not_end_the_work(failure):
    turns = count(1)
    again = asyncio.Event()

    async def work():
        if next(turns) == 1:
            raise failure
        again.set()

    async with repeating(Periodic(name="work", every_s=0.001, work=work)):
        await again.wait()


async def test_the_first_turn_may_come_earlier():
    done = asyncio.Event()

    async def work():
        done.set()

    async with repeating(Periodic(name="work", every_s=3600, first_after_s=0, work=work)):
        await done.wait()


async def test_the_pause_grows_with_the_work(monkeypatch):
    pauses = []
    took_s = iter([0.0, 2.0, 10.0, 10.5])  # a turn of two seconds, and one of half a second

    async def note(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    async def work():
        pass

    monkeypatch.setattr("datalab.platform.periodic.asyncio.sleep", note)
    monkeypatch.setattr("datalab.platform.periodic.perf_counter", lambda: next(took_s))
    with pytest.raises(asyncio.CancelledError):
        await Periodic(name="work", every_s=10, work=work, share_of_time=0.1).repeat()
    assert pauses == [10, 20.0, 10]
