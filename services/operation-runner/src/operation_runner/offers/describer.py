"""Knows operations and analysis actions for the runner, by asking a process: the runner itself loads no astronomy."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from datalab.errors import TransientError
from datalab.events.offers import OperationDescribed
from datalab.platform.logging import get_logger
from datalab.processes.outcomes import ProcessLostError
from datalab.processes.pool import WorkerPool
from operation_runner.offers.model import NormalisedParameters, Offer, OfferedAction, Question
from operation_runner.offers.packages import Packages, prepare_processes
from operation_runner.offers.registry import RegistryError

_log = get_logger(__name__)

#: Answers kept, and the longest question whose answer is, in characters: 4 MB at most.
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 1000, 2000


class Describer:
    """Asks the process one thing at a time."""

    def __init__(self, *, packages: Packages) -> None:
        self._packages = packages
        self._pool = WorkerPool("operation_runner.offers.describing:describing", packages, places=1)
        self.offer = Offer(operations=[], analyses=[], actions={})
        self._normalised: OrderedDict[str, NormalisedParameters] = OrderedDict()

    async def start(self) -> None:
        """Learn what there is. Raises `RegistryError`."""
        prepare_processes(self._packages)
        try:
            offer: Offer | RegistryError = await self._pool.ask(Question(kind="offer"))
        except ProcessLostError as error:
            raise RegistryError("the process that loads the operations ended before it had loaded them") from error
        if isinstance(offer, RegistryError):
            raise offer
        self.offer = offer

    async def stop(self) -> None:
        """End the process."""
        await self._pool.stop()

    @property
    def pid(self) -> int | None:
        """The process id, None if there is no process that waits for a question."""
        return next(iter(self._pool.idle_pids), None)

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
        key = json.dumps([operation, parameters], sort_keys=True)
        known = self._normalised.get(key)
        if known is None:
            known = await self._asked(Question("operation", operation, parameters))
            self._keep(key, known)
        return known

    def _keep(self, key: str, normalised: NormalisedParameters) -> None:
        """Remember an answer: what is asked again, or was handed back, is asked with the same words."""
        if len(key) <= _LONGEST_REMEMBERED:
            self._normalised[key] = normalised
            if len(self._normalised) > _MOST_REMEMBERED:
                self._normalised.popitem(last=False)

    async def check(self, action: str, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Return an action's parameters with every default. Raises `UsageError`, `TransientError`."""
        answer: dict[str, JsonValue] = await self._asked(Question("action", action, parameters))
        return answer

    async def _asked(self, question: Question) -> Any:
        try:
            return await self._pool.ask(
                question, on_first_loss=lambda lost: _log.warning("describer.process_lost", exit_code=lost.exit_code)
            )
        except ProcessLostError as error:
            raise TransientError("the process that knows the operations was ended") from error
