"""Computations in processes of their own: nothing they do can block, bloat or kill the runner.

A process is forked for each job from a server process that has everything loaded, which takes milliseconds; it begins
clean, may be killed at any time, and takes its memory with it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from time import monotonic
from typing import Any

from datalab.platform.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from operation_runner.adapters.compute_job import BUG, MEMORY, USAGE, run_job, warm_up
from operation_runner.services.ports import Computed, Job, LimitExceededError

_log = get_logger(__name__)

_TIMEOUT_MESSAGE = "The operation timed out, contact developers if this persists."


class ComputationFailedError(Exception):
    """An operation raised something it should not have; the text is its traceback."""


class ProcessComputer:
    """Runs jobs, each in a process of its own."""

    def __init__(self, *, slots: int, processes: int, time_limit_s: float, memory_bytes: int) -> None:
        self._processes = processes
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["operation_runner.adapters.compute_job"])
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="compute")

    async def start(self) -> None:
        """Start the server process, so that the first job need not wait for it."""
        # Numerical libraries that start threads when loaded must not: a process with threads cannot safely be forked.
        for library in ("OPENBLAS", "OMP", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")

        def start_one() -> None:
            process = self._context.Process(target=warm_up)
            process.start()
            process.join()

        await asyncio.to_thread(start_one)

    def stop(self) -> None:
        """Wait for the threads that watch processes; the processes have ended before."""
        self._threads.shutdown()

    async def compute(self, job: Job, *, on_progress: Callable[[float, str], None]) -> Computed:
        """Run a job; cancelling kills its processes.

        Raises `UsageError` (the data cannot work), `LimitExceededError`, `TransientError` (killed from outside) and
        `ComputationFailedError` (a bug in the operation).
        """
        loop = asyncio.get_running_loop()
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=run_job,
            args=(job, sending),
            kwargs={
                # The parent of a forked process is the server process, not this one.
                "parent": _forkserver_pid(),
                "processes": self._processes,
                "memory_bytes": self._memory_bytes,
            },
        )

        def report(fraction: float, message: str) -> None:
            loop.call_soon_threadsafe(on_progress, fraction, message)

        def start_and_watch() -> Any:
            process.start()
            sending.close()
            return _watch(process, receiving, report, self._time_limit_s)

        watching = loop.run_in_executor(self._threads, start_and_watch)
        try:
            answer = await asyncio.shield(watching)
        except asyncio.CancelledError:
            _kill(process)
            with suppress(Exception):
                await watching
            raise
        return _understood(answer, process, self)

    @property
    def memory_bytes(self) -> int:
        """Memory one operation may use."""
        return self._memory_bytes


def _watch(
    process: ForkServerProcess, connection: Connection, report: Callable[[float, str], None], time_limit_s: float
) -> Any:
    """Return the last thing the process sends; None if it died without an answer. Leaves no process behind."""
    deadline = monotonic() + time_limit_s
    answer: Any = None
    try:
        while wait([connection], timeout=max(deadline - monotonic(), 0.0)):
            try:
                message = connection.recv()
            except EOFError:
                break
            match message:
                case (float(fraction), str(text)):
                    report(fraction, text)
                case _:
                    answer = message
        else:
            raise LimitExceededError(_TIMEOUT_MESSAGE)
    finally:
        connection.close()
        if answer is None:
            _kill(process)
        process.join()
    return answer


def _understood(answer: Any, process: ForkServerProcess, computer: ProcessComputer) -> Computed:
    match answer:
        case Computed():
            return answer
        case (kind, text) if kind == USAGE:
            raise UsageError(text)
        case (kind, _) if kind == MEMORY:
            limit_mib = computer.memory_bytes // 1024**2
            raise LimitExceededError(f"The operation needed more than the {limit_mib} MiB of memory it may use.")
        case (kind, text) if kind == BUG:
            raise ComputationFailedError(text)
    _log.error("compute.process_died", exit_code=process.exitcode)
    raise TransientError("The process that computed the operation was killed.")


def _kill(process: ForkServerProcess) -> None:
    """End the process and its children."""
    if process.pid is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def _forkserver_pid() -> int:
    from multiprocessing import forkserver  # noqa: PLC0415 - its one instance is private and made on first use

    pid: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001
    return pid
