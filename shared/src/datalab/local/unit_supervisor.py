"""Keeps one unit running: first start, readiness, restart with back-off, stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from datalab.local.backoff import Backoff
from datalab.local.data_folder import DataFolder
from datalab.local.process import STOP_GRACE_S, ChildFailedError, ChildProcess, rotate
from datalab.local.unit import Launch, Unit
from datalab.platform.tasks import end_tasks

#: Servers need 0.03 to 0.5 s, services 3 s, and those wait for servers; the rest is for cold disks, busy machines and
#: the recovery of a store.
START_TIMEOUT_S = 120.0
FIRST_POLL_S = 0.02
LONGEST_POLL_S = 0.25
PORT_ATTEMPTS = 5
#: A unit that says so often, one after the other, that it is broken, is started again.
BROKEN_CHECKS = 3
CHECK_INTERVAL_S = 2.0


class State(StrEnum):
    """Where a child is in its life; `RESTARTING` waits to be started again."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """What a person wants to know about a child."""

    name: str
    state: State
    address: str
    pid: int | None = None
    restarts: int = 0
    detail: str = ""


class UnitSupervisor:
    """One unit and its present process."""

    def __init__(self, unit: Unit, *, folder: DataFolder, on_change: Callable[[ChildStatus], None]) -> None:
        self.unit = unit
        self.status = ChildStatus(name=unit.name, state=State.STOPPED, address=unit.address)
        self._folder = folder
        self._on_change = on_change
        self._log = folder.logs / f"{unit.name}.log"
        self._backoff = Backoff()
        self._restarts = 0
        self._process: ChildProcess | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the unit for the first time, and keep it running from then on.

        Raises:
            ChildFailedError: it ended early or did not become ready in time.
        """
        rotate(self._log)
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            try:
                await self._start_once()
                break
            except ChildFailedError as error:
                if not (attempts_left and error.address_in_use and self.unit.change_ports()):
                    self._show(State.FAILED, detail=error.reason)
                    raise
        self._watch()

    async def resume(self) -> None:
        """Start the unit again after `stop`, on the same ports.

        Raises:
            ChildFailedError: as `start`.
            RuntimeError: it was not stopped; two processes on one store would destroy it.
        """
        if self._watching is not None:
            raise RuntimeError(f"{self.unit.name} is not down")
        await self._start_once()
        self._watch()

    async def stop(self, grace_s: float = STOP_GRACE_S, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and keep it down; killed at once if this call is cancelled."""
        if self.status.state is State.FAILED:
            return  # it has ended, and the view goes on showing why
        self._show(State.STOPPING)
        try:
            if self._watching is not None:
                await end_tasks(self._watching)
                self._watching = None
            if self._process is not None and how is not signal.SIGKILL:
                await self._process.stop(grace_s)
        finally:
            if self._process is not None:
                await self._process.kill()
            self._show(State.STOPPED)

    def send_signal(self, number: signal.Signals) -> int:
        """Signal the process, whatever follows from it; return its pid.

        Raises:
            ProcessLookupError: it is not running now.
        """
        if self._process is None or not self._process.running:
            raise ProcessLookupError(f"{self.unit.name} is not running")
        self._process.send_signal(number)
        return self._process.pid

    def _watch(self) -> None:
        self._watching = asyncio.create_task(self._keep_running(), name=f"keep {self.unit.name} running")

    async def _keep_running(self) -> None:
        reason = await self._end_of_process()
        while True:
            delay_s = self._backoff.delay_s()
            self._restarts += 1
            self._show(State.RESTARTING, detail=f"{reason}; again in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)
            try:
                await self._start_once()
                reason = await self._end_of_process()
            except ChildFailedError as error:
                reason = error.reason
            except OSError as error:  # the disk is full, the program was removed
                reason = f"could not be started: {error}"

    async def _end_of_process(self) -> str:
        """Wait until the process ends, by itself or because it is broken; return the reason."""
        assert self._process is not None
        complaints = 0
        while not await self._process.ended_within(CHECK_INTERVAL_S):
            broken = await self.unit.why_broken()
            complaints = 0 if broken is None else complaints + 1
            if complaints == BROKEN_CHECKS:
                self._show(State.RESTARTING, detail=f"is ended: {broken}")
                await self._process.stop(STOP_GRACE_S)
                return f"was ended: {broken}"
        return self._process.how_it_ended()

    async def _start_once(self) -> None:
        self._backoff.started()
        launch = await self.unit.launch()
        self._process = await ChildProcess.start(
            Launch(argv=launch.argv, env={**launch.env, **self._folder.mark}),
            name=self.unit.name,
            log=self._log,
            keep_open=(self._folder.lock_fd,),
        )
        self._show(State.STARTING)
        await self._become_ready(self._process)
        self._show(State.READY)

    async def _become_ready(self, process: ChildProcess) -> None:
        missing: str | None = None
        poll_s = FIRST_POLL_S
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while (missing := await self._why_not_ready(process)) is not None:
                    if await process.ended_within(poll_s):
                        break
                    poll_s = min(2 * poll_s, LONGEST_POLL_S)
        except TimeoutError:
            await process.kill()
            raise process.failure(f"was not ready after {START_TIMEOUT_S:.0f} s ({missing})") from None
        if not process.running:
            raise process.failure(process.how_it_ended())

    async def _why_not_ready(self, process: ChildProcess) -> str | None:
        missing = await self.unit.why_not_ready()
        if missing is None and not process.listens_at(self.unit.address):
            return f"another program answers at {self.unit.address}"  # it took the port after we had found it free
        return missing

    def _show(self, state: State, *, detail: str = "") -> None:
        running = self._process is not None and self._process.running
        self.status = ChildStatus(
            name=self.unit.name,
            state=state,
            address=self.unit.address,
            pid=self._process.pid if running and self._process else None,
            restarts=self._restarts,
            detail=detail,
        )
        self._on_change(self.status)
