"""Computations in processes of their own: nothing they do can block, bloat or kill the runner.

A process is forked for each job from a server process that has everything loaded, which takes milliseconds; it begins
clean, may be killed at any time, and takes its memory with it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from time import monotonic
from typing import Any

from datalab.platform.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from operation_runner.adapters import compute_job
from operation_runner.adapters.compute_job import BUG, MEMORY, TRANSIENT, USAGE
from operation_runner.domain.ports import Computed, Job, LimitExceededError
from operation_runner.sdk import Operation

_log = get_logger(__name__)

_TIMEOUT_MESSAGE = "The operation timed out, contact developers if this persists."
#: What a process that combines images needs at most: a band (12 MiB), the planes of a median network (64 KiB for each
#: of 999 images), one decoded row band per file format; and room to spare.
_LEAST_PROCESS_BYTES = 256 * 1024**2


class ComputationFailedError(Exception):
    """An operation raised something it should not have; the text is its traceback."""


class ProcessComputer:
    """Runs jobs, each in a process of its own."""

    def __init__(
        self,
        *,
        registry: Mapping[str, Operation],
        slots: int,
        processes: int,
        time_limit_s: float,
        memory_bytes: int,
    ) -> None:
        self._registry = registry
        self._processes = max(1, min(processes, memory_bytes // _LEAST_PROCESS_BYTES))
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            [compute_job.__name__, *{type(operation).__module__ for operation in registry.values()}]
        )
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="compute")
        #: Whoever starts a process makes multiprocessing look after all others, which no other thread may be ending.
        self._turn = threading.Lock()

    async def start(self) -> None:
        """Start the server process, so that the first job need not wait for it."""
        # Numerical libraries that start threads when loaded must not: a process with threads cannot safely be forked.
        for library in ("OPENBLAS", "OMP", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")

        def start_one() -> None:
            process = self._context.Process(target=compute_job.warm_up)
            process.start()
            process.join()

        await asyncio.to_thread(start_one)

    def stop(self) -> None:
        """Wait for the threads that watch processes; the processes have ended before."""
        self._threads.shutdown()

    async def compute(self, job: Job, *, on_progress: Callable[[float, str], None]) -> Computed:
        """Run a job; cancelling kills its processes.

        Raises `UsageError` (the data cannot work), `LimitExceededError`, `TransientError` (killed from outside, or the
        machine failed) and `ComputationFailedError` (a bug in the operation).
        """
        loop = asyncio.get_running_loop()
        leash, leash_end = self._context.Pipe(duplex=False)

        def report(fraction: float, text: str) -> None:
            loop.call_soon_threadsafe(on_progress, fraction, text)

        watching = loop.run_in_executor(self._threads, self._start_and_watch, job, leash, report)
        try:
            return await asyncio.shield(watching)
        finally:
            leash_end.close()
            await asyncio.wait([watching])  # also whoever cancelled finds no process left

    def _start_and_watch(self, job: Job, leash: Connection, report: Callable[[float, str], None]) -> Computed:
        """Do everything about one process in one thread, so that nothing is done to it twice or too late."""
        with leash:
            if leash.poll():  # cancelled while this was waiting for its thread
                raise _AbandonedError
            receiving, sending = self._context.Pipe(duplex=False)
            with receiving:
                with sending:
                    process = self._start(job, sending)
                try:
                    answer = self._last_word(receiving, leash, report)
                finally:
                    exit_code = self._end(process)
        return self._understood(answer, exit_code=exit_code)

    def _start(self, job: Job, sending: Connection) -> ForkServerProcess:
        process = self._context.Process(
            target=compute_job.run_job,
            args=(job, sending),
            kwargs={
                "operation": self._registry[job.operation],
                # The parent of a forked process is the server process, not this one.
                "parent": _forkserver_pid(),
                "processes": self._processes,
                "memory_bytes": self._memory_bytes,
            },
        )
        with self._turn:
            process.start()
        return process

    def _end(self, process: ForkServerProcess) -> int | None:
        """End a process and its children, whatever they are doing; return its exit code."""
        assert process.pid is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # it has no group of its own yet
            os.kill(process.pid, signal.SIGKILL)
        with self._turn:
            process.join()
            exit_code = process.exitcode
            process.close()
        return exit_code

    def _last_word(self, receiving: Connection, leash: Connection, report: Callable[[float, str], None]) -> Any:
        """Pass on progress until the process answers; None if it dies without an answer."""
        deadline = monotonic() + self._time_limit_s
        while ready := wait([receiving, leash], timeout=max(deadline - monotonic(), 0.0)):
            if leash in ready:
                raise _AbandonedError
            try:
                word = receiving.recv()
            except EOFError:
                return None
            match word:
                case (float(fraction), str(text)):
                    report(fraction, text)
                case _:
                    return word
        raise LimitExceededError(_TIMEOUT_MESSAGE)

    def _understood(self, answer: Any, *, exit_code: int | None) -> Computed:
        match answer:
            case Computed():
                return answer
            case (kind, str(text)) if kind == USAGE:
                raise UsageError(text)
            case (kind, str(text)) if kind == TRANSIENT:
                raise TransientError(text)
            case (kind, _) if kind == MEMORY:
                limit_mib = self._memory_bytes // 1024**2
                raise LimitExceededError(f"The operation needed more than the {limit_mib} MiB of memory it may use.")
            case (kind, str(text)) if kind == BUG:
                raise ComputationFailedError(text)
        _log.error("compute.process_died", exit_code=exit_code)
        raise TransientError("The process that computed the operation was killed.")


class _AbandonedError(Exception):
    """Nobody waits for the answer any more."""


def _forkserver_pid() -> int:
    from multiprocessing import forkserver  # noqa: PLC0415 - its one instance is private and made on first use

    pid: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001
    return pid
