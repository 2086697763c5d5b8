import asyncio

import pytest

from datalab.errors import TransientError
from datalab.events.operations import OperationProgressed
from operation_runner.execution import progress
from operation_runner.execution.progress import reported_progress
from operation_runner.execution.report_id import report_id
from support.runner import request


class Recorder:
    def __init__(self):
        self.events = []
        self.published = asyncio.Event()
        self.error = None

    async def publish(self, event):
        self.events.append(event)
        self.published.set()
        if self.error is not None:
            raise self.error

    def fractions(self):
        return [event.fraction for event in self.events if isinstance(event, OperationProgressed)]


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that only moves when told to: `await clock(seconds)`."""
    sleepers = []

    async def sleep(seconds):
        woken = asyncio.get_running_loop().create_future()
        sleepers.append([seconds, woken])
        await woken

    async def advance(seconds):
        await settled()
        for sleeper in sleepers:
            sleeper[0] -= seconds
            if sleeper[0] <= 0 and not sleeper[1].done():
                sleeper[1].set_result(None)
        await settled()

    async def settled():
        for _ in range(5):
            await asyncio.tasks.sleep(0)

    real_sleep = asyncio.sleep
    monkeypatch.setattr(asyncio.tasks, "sleep", real_sleep)
    monkeypatch.setattr(progress.asyncio, "sleep", sleep)
    return advance


async def test_a_short_operation_says_nothing(clock):
    recorder = Recorder()
    async with reported_progress(request(), publisher=recorder, producer="test") as take:
        take(0.9, "")
        await clock(0.2)
    assert recorder.events == []


async def test_the_latest_progress_is_published_once_a_second_and_only_when_it_is_new(clock):
    recorder = Recorder()
    async with reported_progress(request(correlation_id="c"), publisher=recorder, producer="test") as take:
        for fraction in (0.1, 0.2, 0.3):
            take(fraction, f"at {fraction}")
        await clock(0.25)
        assert recorder.fractions() == [0.3]
        take(0.4, "")
        await clock(0.9)
        assert recorder.fractions() == [0.3]
        await clock(0.1)
        assert recorder.fractions() == [0.3, 0.4]
        await clock(1.0)
        assert recorder.fractions() == [0.3, 0.4]
    assert recorder.events[1].message == "at 0.3"
    assert {event.correlation_id for event in recorder.events} == {"c"}


async def test_that_it_began_is_said_first_and_once(clock):
    recorder = Recorder()
    async with reported_progress(request(operation_id=7, attempt=2), publisher=recorder, producer="test") as take:
        await clock(0.25)
        assert [event.type for event in recorder.events] == ["operation.started.v1"]
        take(0.1, "")
        await clock(1.0)
        await clock(1.0)
    started, progressed = recorder.events
    assert progressed.type == "operation.progressed.v1"
    again = report_id("started", request(operation_id=7, attempt=2))
    assert (started.event_id, started.operation_id, started.attempt) == (again, 7, 2)


async def test_a_bus_that_is_away_costs_the_operation_nothing(clock):
    recorder = Recorder()
    recorder.error = TransientError("away")
    async with reported_progress(request(), publisher=recorder, producer="test") as take:
        take(0.1, "")
        await clock(0.25)
        recorder.error = None
        take(0.2, "")
        await clock(1.0)
    assert [event.type for event in recorder.events] == ["operation.started.v1"] * 2 + ["operation.progressed.v1"]
    assert recorder.events[0].event_id == recorder.events[1].event_id
    assert recorder.fractions() == [0.2]


async def test_an_operation_that_talks_too_much_is_cut_short(clock):
    recorder = Recorder()
    async with reported_progress(request(), publisher=recorder, producer="test") as take:
        take(0.1, "x" * 5000)
        await clock(0.25)
    assert recorder.events[1].message == "x" * 1000


async def test_being_cancelled_at_the_end_of_the_block_is_not_forgotten():
    class SlowToEnd(Recorder):
        async def publish(self, event):
            try:
                await super().publish(event)
                await asyncio.Event().wait()
            finally:
                task.cancel()  # the block is being left, and waits for this
                await asyncio.sleep(0)

    recorder = SlowToEnd()

    async def work():
        async with reported_progress(request(), publisher=recorder, producer="test") as take:
            take(0.1, "")
            await recorder.published.wait()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
