"""One child process: in its own group, tied to this process, logging to a file, never leaving orphans."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from datalab.errors import DatalabError
from datalab.local import bound_to_parent
from datalab.local.unit import Launch

STOP_GRACE_S = 10.0
LOGS_KEPT = 5  # earlier runs of each child
TAIL_LINES = 20
TAIL_BYTES = 20_000


class ChildFailedError(DatalabError):
    """A child ended, or was not ready in time. The text ends with the last lines of its log."""

    def __init__(self, name: str, reason: str, *, log: Path, tail: str) -> None:
        said = "\n".join(f"    {line}" for line in tail.splitlines()) or "    (nothing)"
        super().__init__(f"{name} {reason}. The last lines of {log}:\n{said}")
        self.reason = reason
        self.address_in_use = "address already in use" in tail.lower()


class ChildProcess:
    """A running (or ended) child. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, *, name: str, log: Path, log_start: int) -> None:
        self._process = process
        self._log_start = log_start
        self.name = name
        self.log = log

    @classmethod
    async def start(cls, launch: Launch, *, name: str, log: Path, keep_open: tuple[int, ...] = ()) -> ChildProcess:
        """Start `launch`, appending what it writes to `log`.

        Args:
            launch: arguments and environment.
            name: used in error texts.
            log: file for both output streams; a file and not a pipe, so that a child never blocks on its supervisor.
            keep_open: file descriptors the child inherits.
        """
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *_bound_to_us(launch.argv),
                env=dict(launch.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=keep_open,
                start_new_session=True,  # Ctrl-C in the terminal reaches us only; we stop children in order
            )
            return cls(process, name=name, log=log, log_start=output.tell())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def listens_at(self, address: str) -> bool:
        """Tell whether it is this child, or what it started, that listens on the port of a URL."""
        port = urlsplit(address).port
        with contextlib.suppress(psutil.NoSuchProcess):
            child = psutil.Process(self.pid)
            for process in (child, *child.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    sockets = process.net_connections(kind="tcp")
                    if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets):
                        return True
        return False

    async def wait(self) -> int:
        """Wait for the end, kill what is left of its group, and return the exit status (-N: killed by signal N)."""
        status = await self._process.wait()
        self._signal_group(signal.SIGKILL)
        return status

    async def ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()
        return not self.running

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the child itself; its own children are its business as long as it lives."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """SIGTERM, then SIGKILL to the whole group after `grace_s` (at once if this call is cancelled)."""
        self.send_signal(signal.SIGTERM)
        self.send_signal(signal.SIGCONT)  # a paused child cannot hear SIGTERM
        try:
            await self.ended_within(grace_s)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self.running:
            self._signal_group(signal.SIGKILL)
        await self.wait()

    def how_it_ended(self) -> str:
        status = self._process.returncode
        if status is None:
            return "is running"
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    def failure(self, reason: str) -> ChildFailedError:
        """Return the error that says `reason` and shows what this start of the child wrote last."""
        return ChildFailedError(self.name, reason, log=self.log, tail=self._tail())

    def _tail(self) -> str:
        with self.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_start, end - TAIL_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-TAIL_LINES:])

    def _signal_group(self, number: signal.Signals) -> None:
        # The child leads its session: its group has its pid. macOS says "permission" for a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def rotate(log: Path) -> None:
    """Rename `log` to `log.1`, the one before to `log.2` and so on; the oldest goes."""
    for age in range(LOGS_KEPT, 0, -1):
        younger = log if age == 1 else log.with_name(f"{log.name}.{age - 1}")
        if younger.exists():
            younger.replace(log.with_name(f"{log.name}.{age}"))


def _bound_to_us(argv: tuple[str, ...]) -> tuple[str, ...]:
    if sys.platform != "linux":
        return argv  # leftovers of a killed run are ended by the next one, see DataFolder
    return (sys.executable, "-I", "-S", bound_to_parent.__file__, str(os.getpid()), *argv)
