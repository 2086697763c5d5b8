import asyncio

import pytest

from datalab.platform.tasks import end_tasks


async def for_ever():
    await asyncio.Event().wait()


async def test_ends_every_task():
    tasks = [asyncio.create_task(for_ever()) for _ in range(3)]
    await end_tasks(*tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_task_that_loses_a_cancellation_ends_all_the_same():
    """As `asyncio.wait_for` of Python 3.11 does when its result comes at the same moment."""
    losses = 0

    async def loop():
        nonlocal losses
        while True:
            try:
                await for_ever()
            except asyncio.CancelledError:
                losses += 1
                if losses > 1:
                    raise

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end_tasks(task)
    assert losses == 2


async def test_a_task_that_fails_when_it_ends_does_not_fail_its_end():
    async def fail():
        try:
            await for_ever()
        finally:
            raise ValueError("while ending")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await end_tasks(task)
    assert isinstance(task.exception(), ValueError)


async def test_nothing_to_end():
    await end_tasks()


async def test_cancelling_the_caller_is_not_hidden():
    async def stubborn():
        while True:
            try:
                await for_ever()
            except asyncio.CancelledError:
                if released:
                    raise

    released = False
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    caller = asyncio.create_task(end_tasks(task))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    released = True
    await end_tasks(task)
