"""One operation, from request to outcome."""

from __future__ import annotations

from datalab.errors import TransientError, UsageError
from datalab.events.operations import (
    FailureKind,
    InputFile,
    OperationCancelled,
    OperationDelayed,
    OperationFailed,
    OperationRequested,
    OperationResult,
    OperationSucceeded,
)
from datalab.platform.logging import get_logger
from operation_runner.computing.model import LimitExceededError
from operation_runner.execution.cancellations import AttemptCancelledError, Cancellations
from operation_runner.execution.metrics import ExecutionMetrics
from operation_runner.execution.ports import Computer, LeaseKeeper, Operations, Publisher, ResultStore
from operation_runner.execution.progress import reported_progress
from operation_runner.execution.report_id import report_id
from operation_runner.execution.result_key import result_key
from operation_runner.inputs.model import InputCache
from operation_runner.offers.model import NormalisedParameters
from operation_runner.sdk.jobs import Job

_log = get_logger(__name__)


class Execution:
    """Computes a request unless its result exists, and says the outcome.

    Whatever is repeated leads to the same end: results are looked for first, computed once at a time, complete only
    with their manifest, and outcome events have ids derived from the attempt.
    """

    def __init__(
        self,
        *,
        operations: Operations,
        results: ResultStore,
        leases: LeaseKeeper,
        inputs: InputCache,
        computer: Computer,
        publisher: Publisher,
        cancellations: Cancellations,
        metrics: ExecutionMetrics,
        producer: str,
    ) -> None:
        self._operations = operations
        self._results = results
        self._leases = leases
        self._inputs = inputs
        self._computer = computer
        self._publisher = publisher
        self._cancellations = cancellations
        self._metrics = metrics
        self._producer = producer

    async def run(self, request: OperationRequested) -> None:
        """Bring one attempt to its outcome. Raises `UsageError` and `TransientError` for the bus to settle."""
        try:
            async with self._cancellations.stoppable(request):
                await self._run(request)
        except AttemptCancelledError:
            self._metrics.ended(request.operation, "cancelled")
            await self._publisher.publish(
                OperationCancelled(
                    event_id=report_id("cancelled", request),
                    operation_id=request.operation_id,
                    attempt=request.attempt,
                    correlation_id=request.correlation_id,
                    producer=self._producer,
                )
            )
        except LimitExceededError as error:
            await self.fail(request, FailureKind.LIMIT, error.message)

    async def fail(self, request: OperationRequested, kind: FailureKind, message: str) -> None:
        """Say that an attempt ended without a result."""
        self._metrics.ended(request.operation, str(kind))
        await self._publisher.publish(
            OperationFailed(
                event_id=report_id("failed", request),
                operation_id=request.operation_id,
                attempt=request.attempt,
                kind=kind,
                message=message,
                correlation_id=request.correlation_id,
                producer=self._producer,
            )
        )

    async def delay(self, request: OperationRequested, reason: str) -> None:
        """Say why an attempt cannot go on at the moment."""
        await self._publisher.publish(
            OperationDelayed(
                event_id=report_id("delayed", request, reason),
                operation_id=request.operation_id,
                attempt=request.attempt,
                reason=reason,
                correlation_id=request.correlation_id,
                producer=self._producer,
            )
        )

    async def _run(self, request: OperationRequested) -> None:
        operation = self._operations.find(request.operation)
        if operation is None:
            # During an upgrade another runner may know it.
            raise TransientError(f"No runner offers the operation {request.operation!r} at the moment.")
        parameters = await self._operations.normalise(operation.name, request.parameters)
        inputs = _resolved(parameters, request)
        key = result_key(
            operation=operation.name, version=operation.version, parameters=parameters.values, inputs=inputs
        )
        result = await self._results.find(key)
        if result is not None:
            await self._succeed(request, result, reused=True, compute_s=0.0)
            return
        async with self._leases.hold(key) as lease:
            if lease is None:
                result = await self._results.find(key)
                if result is None:
                    raise TransientError("The result was just computed elsewhere but cannot be found yet.")
                await self._succeed(request, result, reused=True, compute_s=0.0)
                return
            async with (
                reported_progress(request, publisher=self._publisher, producer=self._producer) as progress,
                self._inputs.pinned(inputs) as paths,
                self._inputs.work_dir() as work_dir,
            ):
                job = Job(
                    operation=operation.name,
                    parameters=parameters.values,
                    result_key=key,
                    inputs=inputs,
                    paths=dict(paths),
                    work_dir=work_dir,
                )
                async with self._results.new_result(job) as new_result:
                    computed = await self._computer.compute(job, on_progress=progress, on_product=new_result.add)
                    result = await new_result.complete(computed, confirm=lease.confirm)
            # Before word is left for others that it is done: somebody waits for this.
            await self._succeed(request, result, reused=False, compute_s=computed.compute_s)

    async def _succeed(
        self, request: OperationRequested, result: OperationResult, *, reused: bool, compute_s: float
    ) -> None:
        await self._publisher.publish(
            OperationSucceeded(
                event_id=report_id("succeeded", request),
                operation_id=request.operation_id,
                attempt=request.attempt,
                result=result,
                reused=reused,
                compute_s=compute_s,
                correlation_id=request.correlation_id,
                producer=self._producer,
            )
        )
        self._metrics.ended(request.operation, "reused" if reused else "computed", compute_s)
        _log.info(
            "operation.succeeded",
            operation=request.operation,
            operation_id=request.operation_id,
            result_key=result.result_key,
            reused=reused,
            compute_s=round(compute_s, 3),
        )


def _resolved(parameters: NormalisedParameters, request: OperationRequested) -> tuple[InputFile, ...]:
    """Return the files the parameters name, each once. Raises `UsageError` for one that was not resolved."""
    resolved = {(file.source, file.basename): file for file in request.input_files}
    missing = [basename for source, basename in parameters.files if (source, basename) not in resolved]
    if missing:
        raise UsageError(f"Operation {request.operation}: the input file {missing[0]} was not resolved.")
    return tuple(resolved[name] for name in dict.fromkeys(parameters.files))
