"""Runs a set of units: starts them, restarts what crashes, stops all in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

from datalab.local.data_folder import DataFolder
from datalab.local.process import STOP_GRACE_S
from datalab.local.unit import StopRank, Unit
from datalab.local.unit_supervisor import ChildStatus, State, UnitSupervisor


class Supervisor:
    """The children of one run. An asynchronous context manager: leaving it stops them all.

    Start it on the main thread: Linux ends the children with the thread that started them.
    """

    def __init__(self, *, folder: DataFolder, on_change: Callable[[ChildStatus], None] = lambda _: None) -> None:
        """Use `folder` for logs; `on_change` is called with each new status of a child and must not block."""
        self._folder = folder
        self._on_change = on_change
        self._units: dict[str, UnitSupervisor] = {}
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop_all()

    async def start(self, *units: Unit) -> None:
        """Start `units` together and return when all are ready; from then on crashed ones are restarted.

        Raises:
            ChildFailedError: one of them ended early or was not ready in time. The others are left to `stop_all`.
        """
        supervised = [UnitSupervisor(unit, folder=self._folder, on_change=self._note) for unit in units]
        self._units.update((each.unit.name, each) for each in supervised)
        try:
            async with asyncio.TaskGroup() as group:
                for each in supervised:
                    group.create_task(each.start())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def stop_all(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stop services first, then mongod, rclone, nats-server.

        Cancelling this call kills those it is waiting for at once and goes on with the next.
        """
        async with contextlib.AsyncExitStack() as last_in_first_out:
            for rank in sorted(StopRank, reverse=True):
                last_in_first_out.push_async_callback(self._stop_rank, rank, grace_s)

    async def _stop_rank(self, rank: StopRank, grace_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            for each in self._units.values():
                if each.unit.stop_rank is rank:
                    group.create_task(each.stop(grace_s))

    def status(self, name: str) -> ChildStatus:
        return self._units[name].status

    @property
    def statuses(self) -> list[ChildStatus]:
        """One status per child, in the order they were started."""
        return [each.status for each in self._units.values()]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a child, behind the supervisor's back, and return its pid. A child that dies is restarted.

        Raises:
            KeyError: no such child.
            ProcessLookupError: it is not running now.
        """
        return self._units[name].send_signal(number)

    async def take_down(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a child (SIGTERM with grace, or SIGKILL at once) and keep it down until `bring_up`."""
        await self._units[name].stop(how=how)

    async def bring_up(self, name: str) -> None:
        """Start a child that was taken down, on the same ports, and return when it is ready."""
        await self._units[name].resume()

    async def wait_ready(self, name: str, *, other_than_pid: int | None = None, timeout_s: float = 60.0) -> ChildStatus:
        """Return the status of a child once it is ready, if wanted in another process than `other_than_pid`.

        Raises:
            TimeoutError: it was not within `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            while (status := self.status(name)).state is not State.READY or status.pid == other_than_pid:
                await self._changed.wait()
        return status

    def _note(self, status: ChildStatus) -> None:
        self._on_change(status)
        self._changed.set()
        self._changed = asyncio.Event()
