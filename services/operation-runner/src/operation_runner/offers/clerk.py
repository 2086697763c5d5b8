"""Knows operations and analysis actions for the runner, in a process of its own: the runner loads no astronomy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from pydantic import JsonValue, ValidationError

from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.analysis import AnalysisDescribed
from datalab.events.offers import OperationDescribed
from datalab.processes.limits import die_with_parent
from operation_runner import SERVICE
from operation_runner.computing.forkserver import Packages, TalkingProcess, prepare_forkserver
from operation_runner.offers.model import NormalisedParameters, OfferedAction, RenderingKind
from operation_runner.offers.registry import RegistryError, describe, describe_analyses
from operation_runner.sdk import Operation
from operation_runner.sdk.analysis import Analysis, Rendering


@dataclass(frozen=True, slots=True)
class _Question:
    kind: Literal["operation", "action"]
    name: str
    parameters: dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a runner offers."""

    operations: list[OperationDescribed]
    analyses: list[AnalysisDescribed]
    actions: dict[str, OfferedAction]


class Clerk:
    """Asks the process one thing at a time; starts it again when it was lost."""

    def __init__(self, *, packages: Packages) -> None:
        self._packages = packages
        self._talking: TalkingProcess | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clerk")
        self.offer = Offer(operations=[], analyses=[], actions={})

    async def start(self) -> None:
        """Learn what there is. Raises `RegistryError`."""
        prepare_forkserver(self._packages)
        self.offer = await asyncio.get_running_loop().run_in_executor(self._thread, self._hire)

    async def stop(self) -> None:
        """End the process."""
        self._thread.submit(self._dismiss).result()
        self._thread.shutdown()

    @property
    def pid(self) -> int | None:
        """The process id, None if there is no process."""
        return None if self._talking is None else self._talking.process.pid

    @property
    def actions(self) -> Sequence[str]:
        """The names of the analysis actions."""
        return list(self.offer.actions)

    def find(self, name: str) -> OperationDescribed | None:
        """Return an operation's description."""
        return next((each for each in self.offer.operations if each.name == name), None)

    def find_action(self, name: str) -> OfferedAction | None:
        """Return an analysis action."""
        return self.offer.actions.get(name)

    async def normalise(self, operation: str, parameters: dict[str, JsonValue]) -> NormalisedParameters:
        """Return an operation's parameters as they decide the result. Raises `UsageError`, `TransientError`."""
        answer: NormalisedParameters = await self._asked(_Question("operation", operation, parameters))
        return answer

    async def check(self, action: str, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Return an action's parameters with every default. Raises `UsageError`, `TransientError`."""
        answer: dict[str, JsonValue] = await self._asked(_Question("action", action, parameters))
        return answer

    async def _asked(self, question: _Question) -> Any:
        answer = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, question)
        if isinstance(answer, UsageError):
            raise answer
        return answer

    def _ask(self, question: _Question) -> Any:
        try:
            return self._exchange(question)
        except (EOFError, OSError):  # it was killed, perhaps long ago
            self._dismiss()
        try:
            self._hire()
            return self._exchange(question)
        except (EOFError, OSError, RegistryError) as error:
            self._dismiss()
            raise TransientError("the process that knows the operations was ended") from error

    def _exchange(self, question: _Question) -> Any:
        if self._talking is None:
            raise EOFError
        self._talking.pipe.send(question)
        return self._talking.pipe.recv()

    def _hire(self) -> Offer:
        self._talking = TalkingProcess.start(_serve, self._packages)
        try:
            offer = self._talking.pipe.recv()
        except (EOFError, OSError) as error:
            self._dismiss()
            raise RegistryError("the process that loads the operations ended before it had loaded them") from error
        if isinstance(offer, RegistryError):
            self._dismiss()
            raise offer
        assert isinstance(offer, Offer)
        return offer

    def _dismiss(self) -> None:
        talking, self._talking = self._talking, None
        if talking is not None:
            talking.end()


def _serve(pipe: Connection, packages: Packages, *, parent: int) -> None:
    """Be the process: say what there is, then answer until the runner ends."""
    from operation_runner.offers.loaded import analyses_of, operations_of  # noqa: PLC0415 - never in the runner

    die_with_parent(parent)
    try:
        operations, analyses = operations_of(packages.operations), analyses_of(packages.analyses)
    except RegistryError as error:
        pipe.send(error)
        return
    pipe.send(
        Offer(
            operations=describe(operations, producer=SERVICE),
            analyses=describe_analyses(analyses, producer=SERVICE),
            actions={name: offered(action) for name, action in analyses.items()},
        )
    )
    while True:
        try:
            question: _Question = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if question.kind == "operation":
                pipe.send(normalised(operations[question.name], question.parameters))
            else:
                pipe.send(checked(analyses[question.name], question.parameters))
        except UsageError as error:
            pipe.send(error)


def normalised(operation: Operation, parameters: dict[str, JsonValue]) -> NormalisedParameters:
    """Return what an operation makes of a request's parameters. Raises `UsageError`."""
    try:
        valid = operation.Parameters.model_validate(parameters)
    except ValidationError as error:
        raise UsageError(f"Operation {operation.name} received invalid input: {explain_validation(error)}.") from error
    return NormalisedParameters(
        values=valid.model_dump(mode="json"), files=tuple((file.source, file.basename) for file in valid.files())
    )


def offered(action: Analysis) -> OfferedAction:
    """Return what the runner needs to know of an action."""
    if not isinstance(action, Rendering):
        return OfferedAction(name=action.name, rendering=None)
    return OfferedAction(
        name=action.name,
        rendering=RenderingKind(
            version=action.version, link=action.link, extension=action.extension, media_type=action.media_type
        ),
    )


def checked(action: Analysis, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return an action's parameters with every default. Raises `UsageError` that names what is missing or wrong."""
    try:
        return action.Parameters.model_validate(given).model_dump(mode="json")
    except ValidationError as invalid:
        problems = invalid.errors(include_url=False, include_input=False, include_context=False)
    missing = [f"'{problem['loc'][0]}'" for problem in problems if problem["type"] == "missing"]
    if missing:
        raise UsageError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    where = ".".join(str(part) for part in problems[0]["loc"])
    raise UsageError(f"'{where}' is wrong: {problems[0]['msg']}")
