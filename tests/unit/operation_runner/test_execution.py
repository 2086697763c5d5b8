import asyncio

import pytest
from prometheus_client import CollectorRegistry

from datalab.errors import TransientError, UsageError
from datalab.events.operations import FailureKind, InputFile, OperationCancelRequested, OperationResult
from operation_runner.computing.model import LimitExceededError
from operation_runner.execution.cancellations import Cancellations
from operation_runner.execution.metrics import ExecutionMetrics
from operation_runner.execution.service import Execution
from operation_runner.operations.median import Median
from support.runner import correlation_of, request
from support.runner_fakes import FakeComputer, FakeInputs, FakeLeases, FakeOperations, FakePublisher, FakeResults


class World:
    """An `Execution` with every port in memory."""

    def __init__(self, **flaky):
        self.publisher = FakePublisher(**flaky)
        self.results = FakeResults(**flaky)
        self.leases = FakeLeases(**flaky)
        self.inputs = FakeInputs(**flaky)
        self.computer = FakeComputer(**flaky)
        self.cancellations = Cancellations()
        self.metrics = CollectorRegistry()
        self.execution = Execution(
            operations=FakeOperations(Median()),
            results=self.results,
            leases=self.leases,
            inputs=self.inputs,
            computer=self.computer,
            publisher=self.publisher,
            cancellations=self.cancellations,
            metrics=ExecutionMetrics(self.metrics),
            producer="test",
        )

    def ended(self, outcome):
        return self.metrics.get_sample_value(
            "datalab_operations_ended_total", {"operation": "Median", "outcome": outcome}
        )


def files(*names):
    return [
        InputFile(source="archive", basename=name, key=f"data/{name}", sha256=f"{ord(name):064x}", size_bytes=9)
        for name in names
    ]


async def test_a_request_is_computed_stored_and_reported():
    world = World()
    await world.execution.run(request(files=files("b", "a"), correlation_id="c-1"))
    assert world.publisher.types() == ["succeeded"]
    succeeded = world.publisher.outcomes()[-1]
    assert succeeded.result.output_data == ({"answer": 42},)
    assert succeeded.result.result_key == world.computer.jobs[0].result_key
    assert not succeeded.reused
    assert succeeded.compute_s == 1.5
    assert {event.correlation_id for event in world.publisher.outcomes()} == {"c-1"}
    assert {event.producer for event in world.publisher.outcomes()} == {"test"}
    assert world.ended("computed") == 1


async def test_files_are_computed_in_the_order_of_their_names_and_only_those_named():
    world = World()
    await world.execution.run(request(files=files("b", "a")))
    more = request(parameters=request(files=files("a", "b")).parameters, files=files("c", "b", "a"))
    await world.execution.run(more.model_copy(update={"operation_id": 2}))
    (job,) = world.computer.jobs
    assert [file.basename for file in job.inputs] == ["a", "b"]
    assert [file["basename"] for file in job.parameters["input_files"]] == ["a", "b"]
    assert world.publisher.outcomes()[-1].reused


async def test_a_result_that_exists_is_reported_at_once():
    world = World()
    await world.execution.run(request(files=files("a", "b")))
    await world.execution.run(request(files=files("b", "a"), operation_id=2))
    assert len(world.computer.jobs) == 1
    again = world.publisher.outcomes()[-1]
    assert (again.operation_id, again.reused, again.compute_s) == (2, True, 0.0)
    assert world.publisher.types() == ["succeeded", "succeeded"]
    assert world.ended("reused") == 1


async def test_a_result_completed_elsewhere_while_waiting_is_reported():
    world = World()
    await world.execution.run(request(files=files("a", "b")))
    key, result = world.results.results.popitem()
    world.leases.done.add(key)
    world.leases.on_done = lambda: world.results.results.update({key: result})
    await world.execution.run(request(files=files("a", "b"), operation_id=2))
    assert len(world.computer.jobs) == 1
    assert world.publisher.outcomes()[-1].reused


async def test_a_result_said_to_be_complete_but_not_found_is_tried_again():
    world = World()
    await world.execution.run(request(files=files("a", "b")))
    key, _ = world.results.results.popitem()
    world.leases.done.add(key)
    with pytest.raises(TransientError, match="cannot be found yet"):
        await world.execution.run(request(files=files("a", "b"), operation_id=2))


async def test_an_unknown_operation_may_be_known_to_another_runner():
    with pytest.raises(TransientError, match="No runner offers the operation 'Nothing'"):
        await World().execution.run(request("Nothing"))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"input_files": []}, r"Median received invalid input: .*at least 2.*input_files"),
        ({}, r"Field required \(at input_files\)"),
        ({"input_files": [{"source": "archive", "basename": "a"}] * 2, "more": 1}, r"Extra inputs .*\(at more\)"),
        ({"input_files": [{"source": "archive", "basename": name} for name in "xy"]}, "file x was not resolved"),
    ],
)
async def test_a_request_that_cannot_work_is_the_users_mistake(parameters, complaint):
    world = World()
    with pytest.raises(UsageError, match=complaint):
        await world.execution.run(request(parameters=parameters, files=files("a", "b")))
    assert world.publisher.types() == []


async def test_a_limit_passed_is_reported_and_settled():
    world = World()
    world.computer.error = LimitExceededError("too long")
    await world.execution.run(request(files=files("a", "b")))
    failed = world.publisher.outcomes()[-1]
    assert (failed.type, failed.kind, failed.message) == ("operation.failed.v1", FailureKind.LIMIT, "too long")
    assert world.results.results == {}
    assert world.leases.held == 0
    assert world.ended("limit") == 1


async def test_a_lost_lease_keeps_the_result_from_being_stored():
    world = World()

    async def lost():
        raise TransientError("another runner has taken over")

    world.leases.confirm = lost
    with pytest.raises(TransientError, match="taken over"):
        await world.execution.run(request(files=files("a", "b")))
    assert world.results.results == {}


async def test_a_cancellation_while_computing_ends_the_attempt_as_cancelled():
    world = World()
    computing = asyncio.Event()

    async def endless():
        computing.set()
        await asyncio.Event().wait()

    world.computer.during = endless
    running = asyncio.create_task(world.execution.run(request(files=files("a", "b"))))
    await computing.wait()
    world.cancellations.cancel(OperationCancelRequested(operation_id=1, attempt=1, correlation_id=correlation_of(1)))
    await running
    assert world.publisher.types() == ["cancelled"]
    assert world.leases.held == 0
    assert world.ended("cancelled") == 1


async def test_the_end_of_the_process_is_not_a_cancellation():
    world = World()
    computing = asyncio.Event()

    async def endless():
        computing.set()
        await asyncio.Event().wait()

    world.computer.during = endless
    running = asyncio.create_task(world.execution.run(request(files=files("a", "b"))))
    await computing.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.publisher.types() == []
    assert world.leases.held == 0


async def deliver(world, message):
    """Redeliver as the bus does until the attempt is settled; return the deliveries it took."""
    for delivery in range(1, 10_000):  # failing by turns, ten ports need a thousand
        try:
            await world.execution.run(message)
        except TransientError:
            continue
        return delivery
    raise AssertionError("never settled")


async def test_a_world_that_fails_every_second_call_changes_nothing_but_the_time():
    world = World(flaky=True)
    assert await deliver(world, request(files=files("a", "b"))) > 100
    assert world.publisher.types() == ["succeeded"]
    assert isinstance(world.results.results[world.computer.jobs[0].result_key], OperationResult)
    assert world.leases.held == 0


async def test_a_cancellation_in_such_a_world_is_reported_once():
    world = World(flaky=True)
    world.cancellations.cancel(OperationCancelRequested(operation_id=1, attempt=1, correlation_id=correlation_of(1)))
    await deliver(world, request(files=files("a", "b")))
    assert world.publisher.types() == ["cancelled"]


async def test_every_attempt_has_reports_of_its_own():
    world = World()
    world.computer.error = LimitExceededError("too long")
    for attempt in (1, 2, 2):
        await world.execution.run(request(files=files("a", "b"), attempt=attempt))
    assert world.publisher.types() == ["failed", "failed"]
