"""Processes that answer: what they may come to, and what is never mixed up."""

import asyncio
import errno
import gc
import os
import signal
import threading
from time import perf_counter

import pytest

from datalab.errors import NotFoundError, TransientError, UsageError
from datalab.processes.outcomes import (
    DiskFullError,
    MachineError,
    Outcome,
    ProcessLostError,
    TimeLimitError,
    WorkFailedError,
)
from datalab.processes.pool import WorkerPool
from support.runner import open_descriptors, process_exists
from support.waiting import until


@pytest.fixture
async def make_pool():
    made = []

    def make(*arguments, work="support.work:working", places=1, **options):
        made.append(WorkerPool(work, *arguments, places=places, **options))
        return made[-1]

    yield make
    for pool in made:
        await pool.stop()


@pytest.fixture
def pool(make_pool):
    return make_pool(1, "two")


async def test_work_is_named_and_gets_its_arguments(pool):
    assert await pool.ask("arguments") == (1, "two")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (UsageError("wrong"), UsageError("wrong")),
        (NotFoundError("none"), UsageError("none")),
        (TransientError("later"), TransientError("later")),
        (MachineError("broken"), MachineError("broken")),
        (OSError(errno.ENOSPC, "disk full"), DiskFullError("disk full")),
        (OSError(errno.EDQUOT, "share full"), DiskFullError("share full")),
        (DiskFullError("disk full"), DiskFullError("disk full")),
        (OSError(errno.EMFILE, "too many files"), MachineError("too many files")),
        (TimeoutError(errno.ETIMEDOUT, "disk away"), MachineError("disk away")),
        (MemoryError(), MemoryError()),
    ],
)
async def test_what_is_raised_is_told_apart(pool, raised, expected):
    with pytest.raises(type(expected)) as told:
        await pool.ask(raised)
    assert (type(told.value), told.value.args) == (type(expected), expected.args)


@pytest.mark.parametrize("request_", [ZeroDivisionError("a bug"), OSError("not of the system"), "nothing known"])
async def test_a_bug_comes_with_its_traceback(pool, request_):
    with pytest.raises(WorkFailedError, match=r'(?s)work.py", line .*(a bug|not of the system|nothing known)'):
        await pool.ask(request_)


async def test_an_answer_that_cannot_be_pickled_is_a_bug(pool):
    with pytest.raises(WorkFailedError, match="pickle"):
        await pool.ask("unpicklable")
    assert await pool.ask("arguments") == (1, "two")


async def test_a_request_that_cannot_be_pickled_leaves_the_pool_as_it_was(pool):
    with pytest.raises(AttributeError, match="pickle"):
        await pool.ask(lambda: None)
    assert await pool.ask("arguments") == (1, "two")


async def test_messages_come_in_their_order_and_before_the_answer(pool):
    heard = []
    assert await pool.ask(("count", 500), on_message=lambda message, _: heard.append(message)) == 500
    assert heard == list(range(500))


async def test_a_process_is_replied_to(pool):
    def on_message(message, reply):
        reply(Outcome(error=UsageError("no")) if message == "refuse" else Outcome(f"{message}!"))

    assert await pool.ask(("ask", "well"), on_message=on_message) == "well!"
    with pytest.raises(UsageError, match="no"):
        await pool.ask(("ask", "refuse"), on_message=on_message)


async def test_a_process_answers_again(make_pool):
    again = make_pool(places=2)
    assert len({await again.ask("pid") for _ in range(4)}) == 1


async def test_one_that_was_killed_while_it_waited_is_replaced(pool):
    pid = await pool.ask("pid")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not process_exists(pid))
    assert await pool.ask("pid") != pid


async def test_a_loss_is_told_with_the_exit_code(pool):
    with pytest.raises(ProcessLostError, match="ended with 7") as lost:
        await pool.ask("end")
    assert lost.value.exit_code == 7
    assert await pool.ask("arguments") == (1, "two")


async def test_after_a_first_loss_another_process_is_asked(pool, tmp_path):
    losses = []
    assert await pool.ask(("end once", str(tmp_path / "once")), on_first_loss=losses.append) == "done"
    assert [lost.exit_code for lost in losses] == [7]
    with pytest.raises(ProcessLostError):
        await pool.ask("end", on_first_loss=losses.append)
    assert len(losses) == 2


@pytest.mark.parametrize("work", ["support.work:nothing", "support.no_such_module:x", "support.work:broken"])
async def test_work_that_cannot_begin_is_a_loss(make_pool, work):
    with pytest.raises(ProcessLostError, match="ended with 1"):
        await make_pool(work=work).ask("pid")


async def test_the_time_limit_ends_the_process(pool):
    pids = []
    with pytest.raises(TimeLimitError, match=r"more than 0\.5 s"):
        await pool.ask(("sleep", 60.0), on_message=lambda pid, _: pids.append(pid), time_limit_s=0.5)
    assert not process_exists(pids[0])


async def test_cancelling_at_any_moment_leaves_nothing_to_the_next(make_pool):
    pool = make_pool(places=2)
    await pool.ask("pid")
    before = open_descriptors()
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    for step in range(40):
        sleeping = asyncio.create_task(pool.ask(("sleep", 0.01)))
        await asyncio.sleep(step * 0.0005)
        sleeping.cancel()
        await asyncio.wait([sleeping])
        assert await pool.ask(("count", 2)) == 2
    await pool.stop()
    assert open_descriptors() <= before
    gc.collect()  # a failure that nobody was told is complained of when it is forgotten
    assert complaints == []


async def test_stopping_tells_who_waits(make_pool):
    pool = make_pool()
    sleeping = asyncio.create_task(pool.ask(("sleep", 60.0)))
    await asyncio.sleep(0.2)
    began = perf_counter()
    await pool.stop()
    with pytest.raises(ProcessLostError):
        await sleeping
    assert perf_counter() - began < 50  # it would have slept for 60 s
    assert not any(thread.name.startswith("support.work") for thread in threading.enumerate())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_only_the_program_ends_its_processes(pool, number):
    def stop_it(pid, _):
        os.kill(pid, number)

    assert await pool.ask(("sleep", 0.2), on_message=stop_it) == "slept"
