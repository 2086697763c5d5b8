import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from datalab.errors import OutageError, TransientError, UsageError
from datalab.events.operations import InputFile
from datalab.processes.outcomes import WorkFailedError
from operation_runner.computing.model import LimitExceededError
from support import runner as support
from support.runner import job, open_descriptors, pids_in, process_exists
from support.waiting import until


def ignore(*_):
    pass


def sleep_job(tmp_path, seconds=60.0):
    return job("Sleep", {"seconds": seconds, "pid_file": str(tmp_path / "pids")}, work_dir=tmp_path)


def misbehave(how, tmp_path):
    return job("Misbehave", {"how": how}, work_dir=tmp_path)


def take_memory(mebibytes, tmp_path):
    return job("Take Memory", {"mebibytes": mebibytes}, work_dir=tmp_path)


@contextlib.asynccontextmanager
async def running(computer, the_job, on_progress=ignore):
    """Run a job as a task; yield the task and the process id once it is at work."""
    task = asyncio.create_task(computer.compute(the_job, on_progress=on_progress, on_product=ignore))
    pid_file = the_job.work_dir / "pids"
    await until(lambda: pids_in(pid_file))
    try:
        yield task, pids_in(pid_file)[-1]
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_is_computed_comes_back_as_strict_json(computer, tmp_path):
    computed = await computer.compute(take_memory(1, tmp_path), on_progress=ignore, on_product=ignore)
    assert [data.content for data in computed.data] == [
        {"sum": 1024**2, "undefined": None, "list": [0, 1], "notes": []}
    ]
    assert computed.compute_s > 0


async def test_progress_comes_while_computing(computer, tmp_path):
    seen = []
    computed = await computer.compute(
        sleep_job(tmp_path, 0.5), on_progress=lambda *report: seen.append(report), on_product=ignore
    )
    fractions = [fraction for fraction, _ in seen]
    assert 2 <= len(seen) <= 2 + computed.compute_s / 0.1  # every tenth of a second at most
    assert fractions == sorted(fractions)
    assert {text for _, text in seen} == {"sleeping"}


async def test_a_mistake_of_the_user_keeps_its_text(computer, tmp_path):
    with pytest.raises(UsageError, match=r"^These files cannot work.$"):
        await computer.compute(misbehave("usage", tmp_path), on_progress=ignore, on_product=ignore)


async def test_a_bug_comes_with_its_traceback(computer, tmp_path):
    with pytest.raises(WorkFailedError, match=r'(?s)misbehave.py", line .*ZeroDivisionError: a bug'):
        await computer.compute(misbehave("bug", tmp_path), on_progress=ignore, on_product=ignore)


async def test_a_full_disk_is_waited_for(computer, tmp_path):
    with pytest.raises(OutageError, match="the computer that runs the operation failed: No space left on device"):
        await computer.compute(misbehave("disk full", tmp_path), on_progress=ignore, on_product=ignore)


async def test_a_job_that_fills_the_disk_by_itself_is_too_large_for_it(computer, tmp_path):
    total = shutil.disk_usage(tmp_path).total
    (tmp_path / "made").write_bytes(b"12")
    file = InputFile(source="archive", basename="a", key="data/a", sha256="0" * 64, size_bytes=total // 2 - 1)
    large = dataclasses.replace(misbehave("disk full", tmp_path), inputs=(file,))
    with pytest.raises(LimitExceededError, match="needs more room than the disk has"):
        await computer.compute(large, on_progress=ignore, on_product=ignore)


async def test_what_the_machine_lacks_may_be_there_later(computer, tmp_path):
    with pytest.raises(TransientError, match="Too many open files") as refused:
        await computer.compute(misbehave("files", tmp_path), on_progress=ignore, on_product=ignore)
    assert not isinstance(refused.value, OutageError)


@pytest.mark.parametrize("how", ["kill", "exit"])
async def test_a_process_that_vanishes_is_the_worlds_fault(computer, tmp_path, how):
    with pytest.raises(TransientError, match="was killed"):
        await computer.compute(misbehave(how, tmp_path), on_progress=ignore, on_product=ignore)


async def test_a_process_killed_from_outside_is_the_worlds_fault(computer, tmp_path):
    async with running(computer, sleep_job(tmp_path)) as (task, pid):
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(TransientError, match="was killed"):
            await task


async def test_children_an_operation_leaves_behind_do_not_keep_the_answer_back(computer, tmp_path):
    began = perf_counter()
    computed = await computer.compute(misbehave("linger", tmp_path), on_progress=ignore, on_product=ignore)
    assert perf_counter() - began < 500  # the child sleeps for 600 s
    await until(lambda: not process_exists(computed.data[0].content["child"]))


async def test_the_time_limit_ends_the_process(make_computer, tmp_path):
    computer = await make_computer(time_limit_s=0.7)
    began = perf_counter()
    with pytest.raises(LimitExceededError, match=r"^The operation timed out, contact developers if this persists.$"):
        await computer.compute(sleep_job(tmp_path), on_progress=ignore, on_product=ignore)
    assert perf_counter() - began > 0.6
    assert not process_exists(pids_in(tmp_path / "pids")[0])


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts what numpy allocates on Linux only")
async def test_the_memory_limit_is_that_of_the_job(make_computer, tmp_path):
    computer = await make_computer(memory_bytes=200 * 1024**2)
    with pytest.raises(LimitExceededError, match="more than the 200 MiB of memory"):
        await computer.compute(take_memory(220, tmp_path), on_progress=ignore, on_product=ignore)
    computed = await computer.compute(take_memory(150, tmp_path), on_progress=ignore, on_product=ignore)
    assert computed.data[0].content["sum"] == 150 * 1024**2


async def test_cancelling_ends_the_whole_group(computer, tmp_path):
    async with running(computer, sleep_job(tmp_path)) as (task, pid):
        assert os.getpgid(pid) == pid
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not process_exists(pid)


async def test_cancelling_a_job_that_waits_for_its_turn_never_starts_it(make_computer, tmp_path):
    computer = await make_computer(slots=1)
    waiting_dir = tmp_path / "waiting"
    waiting_dir.mkdir()
    async with running(computer, sleep_job(tmp_path)) as (first, _):
        second = asyncio.create_task(computer.compute(sleep_job(waiting_dir), on_progress=ignore, on_product=ignore))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
    assert pids_in(waiting_dir / "pids") == []


async def test_cancelling_at_any_moment_of_the_start_leaves_nothing(computer, tmp_path):
    for step in range(12):
        task = asyncio.create_task(computer.compute(sleep_job(tmp_path), on_progress=ignore, on_product=ignore))
        await asyncio.sleep(step * 0.004)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not any(process_exists(pid) for pid in pids_in(tmp_path / "pids"))


async def test_fifty_jobs_leave_neither_processes_nor_descriptors(computer, tmp_path):
    async def one(number):
        how = ["fine", "bug", "usage", "kill"][number % 4]
        with contextlib.suppress(UsageError, TransientError, WorkFailedError):
            return await computer.compute(misbehave(how, tmp_path), on_progress=ignore, on_product=ignore)

    await one(0)
    await until(lambda: computer.idle_pids)
    before = open_descriptors() - len(computer.idle_pids)
    computed = await asyncio.gather(*(one(number) for number in range(50)))
    pids = {answer.data[0].content["pid"] for answer in computed if answer is not None}
    assert len([answer for answer in computed if answer is not None]) == 13
    # A process has answered before it ends.
    await until(lambda: not any(process_exists(pid) for pid in pids - set(computer.idle_pids)))
    await until(lambda: 0 < len(computer.idle_pids) <= 4)
    await until(lambda: open_descriptors() <= before + len(computer.idle_pids) + 2)


async def found(computer, tmp_path):
    """Return what a job finds that another one may have left, and in which process."""
    computed = await computer.compute(misbehave("fine", tmp_path), on_progress=ignore, on_product=ignore)
    return computed.data[0].content["found"], computed.data[0].content["pid"]


async def test_one_job_after_the_other_is_done_in_the_same_process(make_computer, tmp_path):
    computer = await make_computer(slots=1)
    assert len({(await found(computer, tmp_path))[1] for _ in range(5)}) == 1


async def test_an_operation_of_others_that_leaves_something_ends_its_process(make_computer, tmp_path):
    computer = await make_computer(slots=1)
    before, pid = await found(computer, tmp_path)
    await computer.compute(misbehave("leave something", tmp_path), on_progress=ignore, on_product=ignore)
    after, other_pid = await found(computer, tmp_path)
    assert (before, pid != other_pid) == (after, True)
    await until(lambda: not process_exists(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts what numpy allocates on Linux only")
async def test_the_memory_one_job_has_used_is_not_taken_from_the_next(make_computer, tmp_path):
    computer = await make_computer(slots=1, memory_bytes=200 * 1024**2)
    for _ in range(4):
        await computer.compute(take_memory(150, tmp_path), on_progress=ignore, on_product=ignore)
        with pytest.raises(LimitExceededError):
            await computer.compute(take_memory(220, tmp_path), on_progress=ignore, on_product=ignore)
    _, pid = await found(computer, tmp_path)
    for _ in range(4):
        await computer.compute(take_memory(20, tmp_path), on_progress=ignore, on_product=ignore)
    assert (await found(computer, tmp_path))[1] == pid


async def test_a_job_starts_in_milliseconds(computer, tmp_path):
    async def seconds():
        began = perf_counter()
        await computer.compute(misbehave("fine", tmp_path), on_progress=ignore, on_product=ignore)
        return perf_counter() - began

    # Measured 0.01 s; starting Python and loading astropy instead takes 1 s and more.
    assert min([await seconds() for _ in range(5)]) < 0.4


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
async def test_a_killed_runner_takes_its_computations_with_it(tmp_path):
    program = f"""
import asyncio, sys
from pathlib import Path
from operation_runner.computing.computer import ProcessComputer
from support.runner import OPERATION_PACKAGES, NoStars, job

async def main():
    computer = ProcessComputer(
        packages=OPERATION_PACKAGES,
        stars=NoStars(),
        slots=1,
        processes=1,
        time_limit_s=60,
        memory_bytes=2**30,
    )
    await computer.start()
    sleeping = job("Sleep", {{"seconds": 60, "pid_file": {str(tmp_path / "pids")!r}}}, work_dir=Path({str(tmp_path)!r}))
    await computer.compute(sleeping, on_progress=lambda *_: None, on_product=lambda _: None)

asyncio.run(main())
"""
    tests = Path(support.__file__).parents[1]
    runner = subprocess.Popen([sys.executable, "-c", program], cwd=tests)  # noqa: ASYNC220 - takes milliseconds
    try:
        await until(lambda: pids_in(tmp_path / "pids"))
    finally:
        runner.kill()
        runner.wait()
    (pid,) = pids_in(tmp_path / "pids")
    await until(lambda: not process_exists(pid))
