"""Knows the operations for the runner, in a process of its own: the runner loads no astronomy."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from pydantic import JsonValue, ValidationError

from datalab.events.catalogue import OperationDescribed
from datalab.platform.errors import TransientError, UsageError, explain_validation
from operation_runner.adapters.forkserver import PROCESS_TURN, forkserver_pid
from operation_runner.adapters.process_limits import die_with_parent
from operation_runner.domain.ports import NormalisedParameters
from operation_runner.registry import RegistryError
from operation_runner.sdk import Operation

PRODUCER = "operation-runner"


@dataclass(frozen=True, slots=True)
class _Request:
    operation: str
    parameters: dict[str, JsonValue]


class OperationClerk:
    """Asks the process one thing at a time; starts it again when it was lost."""

    def __init__(self, *, packages: Sequence[str]) -> None:
        self._packages = tuple(packages)
        self._context = multiprocessing.get_context("forkserver")
        self._process: ForkServerProcess | None = None
        self._pipe: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clerk")
        self._described: dict[str, OperationDescribed] = {}

    @property
    def described(self) -> list[OperationDescribed]:
        """Every operation there is."""
        return list(self._described.values())

    async def start(self) -> None:
        """Learn which operations there are. Raises `RegistryError`."""
        described = await asyncio.get_running_loop().run_in_executor(self._thread, self._hire)
        self._described = {each.name: each for each in described}

    def stop(self) -> None:
        """End the process."""
        self._thread.submit(self._dismiss).result()
        self._thread.shutdown()

    def find(self, name: str) -> OperationDescribed | None:
        """Return an operation's description."""
        return self._described.get(name)

    async def normalise(self, operation: str, parameters: dict[str, JsonValue]) -> NormalisedParameters:
        """Return parameters as they decide the result. Raises `UsageError`, `TransientError`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._ask, _Request(operation, parameters)
        )

    def _ask(self, request: _Request) -> NormalisedParameters:
        for attempt in (1, 2):  # the first may find that the process was killed long ago
            try:
                if self._pipe is None:
                    self._hire()
                assert self._pipe is not None
                self._pipe.send(request)
                answer = self._pipe.recv()
            except (EOFError, OSError) as error:
                self._dismiss()
                if attempt == 2:
                    raise TransientError("the process that knows the operations was ended") from error
                continue
            if isinstance(answer, UsageError):
                raise answer
            assert isinstance(answer, NormalisedParameters)
            return answer
        raise AssertionError("unreachable")

    def _hire(self) -> list[OperationDescribed]:
        ours, theirs = self._context.Pipe()
        with theirs, PROCESS_TURN:
            process = self._context.Process(
                target=_serve, args=(theirs, self._packages), kwargs={"parent": forkserver_pid()}
            )
            process.start()
        self._process, self._pipe = process, ours
        try:
            offered = ours.recv()
        except (EOFError, OSError) as error:
            self._dismiss()
            raise RegistryError(f"the operations of {', '.join(self._packages)} cannot be loaded") from error
        if isinstance(offered, RegistryError):
            self._dismiss()
            raise offered
        described: list[OperationDescribed] = offered
        return described

    def _dismiss(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            with PROCESS_TURN:
                process.join()
                process.close()


def _serve(pipe: Connection, packages: tuple[str, ...], *, parent: int) -> None:
    """Be the process: say which operations there are, then answer until the runner ends."""
    from operation_runner.adapters.loaded import operations_of  # noqa: PLC0415 - never in the runner itself
    from operation_runner.registry import describe  # noqa: PLC0415

    die_with_parent(parent)
    try:
        operations = operations_of(packages)
    except RegistryError as error:
        pipe.send(error)
        return
    pipe.send(describe(operations, producer=PRODUCER))
    while True:
        try:
            request: _Request = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(normalised(operations[request.operation], request.parameters))
        except UsageError as error:
            pipe.send(error)


def normalised(operation: Operation, parameters: dict[str, JsonValue]) -> NormalisedParameters:
    """Return what an operation makes of a request's parameters. Raises `UsageError`."""
    try:
        checked = operation.Parameters.model_validate(parameters)
    except ValidationError as error:
        raise UsageError(f"Operation {operation.name} received invalid input: {explain_validation(error)}.") from error
    return NormalisedParameters(
        values=checked.model_dump(mode="json"),
        files=tuple((file.source, file.basename) for file in checked.files()),
    )
