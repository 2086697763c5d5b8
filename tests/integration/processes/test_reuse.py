"""Processes that answer again only while they are as new: nothing of one request is visible to the next."""

import asyncio
import os
import sys

import pytest

from datalab.errors import UsageError
from datalab.processes.outcomes import ProcessLostError, TimeLimitError
from datalab.processes.pool import WorkerPool
from datalab.processes.reuse import Reuse
from support.leftovers import CHANGES, IN_CONTEXT
from support.runner import process_exists
from support.waiting import until

MEBIBYTE = 1024**2
LINUX_ONLY = {"open file", "closed file", "orphan", "memory", "limits"}


@pytest.fixture
async def make_pool(lean_processes):
    made = []

    def make(work="support.leftovers:leaving", *, places=1, most_answers=1000, **options):
        reuse = Reuse(most_answers=most_answers, most_growth_bytes=32 * MEBIBYTE, packages=("support.leftovers",))
        made.append(WorkerPool(work, places=places, reuse=reuse, **options))
        return made[-1]

    yield make
    for pool in made:
        await pool.stop()


@pytest.fixture
def spent():
    return []


@pytest.fixture
def pool(make_pool, spent):
    return make_pool(on_spent=spent.append)


async def test_a_process_that_is_as_new_answers_again(make_pool):
    pool = make_pool("support.work:working")
    assert len({await pool.ask("pid") for _ in range(10)}) == 1


@pytest.mark.parametrize("change", CHANGES)
async def test_a_process_that_was_changed_answers_no_more(pool, spent, change):
    if sys.platform != "linux" and change in LINUX_ONLY:
        pytest.skip("only Linux tells")
    pid = await pool.ask(change)
    assert await pool.ask("global") != pid
    assert spent
    await until(lambda: not process_exists(pid))


@pytest.mark.parametrize("change", IN_CONTEXT)
async def test_what_belongs_to_the_context_of_a_request_ends_with_it(pool, spent, change):
    before = await pool.ask("look")
    await pool.ask(change)
    assert await pool.ask("look") == before


async def test_nothing_of_a_request_that_changes_everything_is_visible_to_the_next(pool):
    before = await pool.ask("look")
    pid = await pool.ask("everything")
    assert await pool.ask("look") == before
    await until(lambda: not process_exists(pid))


async def test_a_file_that_only_garbage_holds_open_is_closed(pool, spent):
    assert await pool.ask("cycle") == await pool.ask("cycle")
    assert spent == []


async def test_after_so_many_answers_another_process_is_there_already(make_pool, spent):
    pool = make_pool("support.work:working", most_answers=3, on_spent=spent.append)
    pids = []
    for _ in range(7):
        pids.append(await pool.ask("pid"))
        await until(lambda: pool.idle_pids)
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert spent == ["it has answered 3 times"] * 2


async def test_one_that_failed_answers_no_more(make_pool):
    pool = make_pool("support.work:working")
    pid = await pool.ask("pid")
    with pytest.raises(UsageError):
        await pool.ask(UsageError("wrong"))
    assert await pool.ask("pid") != pid


async def test_one_that_took_too_long_or_was_cancelled_or_killed_takes_its_group_with_it(make_pool):
    pool = make_pool("support.work:working")

    async def pid_of_ended(ask):
        pid = await pool.ask("pid")
        await ask(pid)
        assert not process_exists(pid)
        assert await pool.ask("pid") != pid

    async def take_too_long(_):
        with pytest.raises(TimeLimitError):
            await pool.ask(("sleep", 60.0), time_limit_s=0.2)

    async def cancel(_):
        asking = asyncio.ensure_future(pool.ask(("sleep", 60.0)))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.wait([asking])

    async def kill(pid):
        with pytest.raises(ProcessLostError):
            await pool.ask(("sleep", 60.0), on_message=lambda *_: os.killpg(pid, 9))

    for end in (take_too_long, cancel, kill):
        await pid_of_ended(end)
