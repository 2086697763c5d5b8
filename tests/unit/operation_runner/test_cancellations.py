import asyncio
import contextlib

import pytest

from datalab.events.operations import OperationCancelRequested
from operation_runner.execution.cancellations import AttemptCancelledError, Cancellations
from support.runner import correlation_of, request


def cancel_request(operation_id=1, attempt=1):
    return OperationCancelRequested(
        operation_id=operation_id, attempt=attempt, correlation_id=correlation_of(operation_id)
    )


class Worker:
    """A task that runs attempts one after the other, as the bus does."""

    def __init__(self, cancellations):
        self._cancellations = cancellations
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()

    async def run(self, attempt=None):
        async with self._cancellations.stoppable(attempt or request()):
            self.started.set()
            await self.may_end.wait()
        return "done"


async def test_an_attempt_cancelled_before_it_begins_never_begins():
    cancellations = Cancellations()
    cancellations.cancel(cancel_request())
    with pytest.raises(AttemptCancelledError):
        async with cancellations.stoppable(request()):
            pytest.fail("it began")


async def test_only_the_attempt_that_was_meant_is_stopped():
    cancellations = Cancellations()
    cancellations.cancel(cancel_request(attempt=1))
    cancellations.cancel(cancel_request(operation_id=2))
    worker = Worker(cancellations)
    worker.may_end.set()
    assert await worker.run(request(attempt=2)) == "done"


async def test_an_attempt_in_hand_is_stopped_and_its_task_goes_on():
    cancellations = Cancellations()
    worker = Worker(cancellations)

    async def work():
        with pytest.raises(AttemptCancelledError):
            await worker.run()
        task = asyncio.current_task()
        assert task.cancelling() == 0
        async with asyncio.timeout(5):  # works only in a task nobody wants to end
            await asyncio.sleep(0)
        worker.may_end.set()
        return await worker.run(request(attempt=2))

    task = asyncio.create_task(work())
    await worker.started.wait()
    cancellations.cancel(cancel_request())
    assert await task == "done"


async def test_a_cancellation_that_comes_twice_is_one():
    cancellations = Cancellations()
    worker = Worker(cancellations)
    task = asyncio.create_task(worker.run())
    await worker.started.wait()
    cancellations.cancel(cancel_request())
    cancellations.cancel(cancel_request())
    with pytest.raises(AttemptCancelledError):
        await task


async def test_a_cancellation_after_the_end_touches_nothing():
    cancellations = Cancellations()
    worker = Worker(cancellations)
    worker.may_end.set()
    assert await worker.run() == "done"
    cancellations.cancel(cancel_request())
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0)


async def test_ending_the_task_itself_is_not_taken_for_a_cancellation():
    cancellations = Cancellations()
    worker = Worker(cancellations)
    task = asyncio.create_task(worker.run())
    await worker.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_ending_the_task_wins_over_a_cancellation_at_the_same_time():
    cancellations = Cancellations()
    worker = Worker(cancellations)
    task = asyncio.create_task(worker.run())
    await worker.started.wait()
    cancellations.cancel(cancel_request())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_the_block_swallowed_does_not_stay_with_the_task():
    cancellations = Cancellations()
    started = asyncio.Event()

    async def stubborn():
        async with cancellations.stoppable(request()):
            started.set()
            # As asyncio.wait_for does when the result came at the same moment.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return asyncio.current_task().cancelling()

    task = asyncio.create_task(stubborn())
    await started.wait()
    cancellations.cancel(cancel_request())
    assert await task == 0


async def test_the_same_attempt_in_hand_twice_is_stopped_twice():
    cancellations = Cancellations()
    workers = [Worker(cancellations), Worker(cancellations)]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    for worker in workers:
        await worker.started.wait()
    cancellations.cancel(cancel_request())
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [AttemptCancelledError, AttemptCancelledError]


async def test_the_same_attempt_in_hand_twice_ends_twice():
    cancellations = Cancellations()
    workers = [Worker(cancellations), Worker(cancellations)]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    for worker in workers:
        await worker.started.wait()
        worker.may_end.set()
    assert await asyncio.gather(*tasks) == ["done", "done"]
