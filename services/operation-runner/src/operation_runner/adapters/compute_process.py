"""Computations in processes of their own: nothing they do can block, bloat or kill the runner.

A process is forked for each job from a server process that has everything loaded, which takes milliseconds; it begins
clean, may be killed at any time, and takes its memory with it. One process is forked ahead, so that the next job need
not wait for that either.
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
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from datalab.platform.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from operation_runner.adapters.compute_messages import (
    BUG,
    CHILD_MODULE,
    MEMORY,
    TRANSIENT,
    USAGE,
    Assignment,
    begin,
)
from operation_runner.domain.ports import Computed, Job, LimitExceededError
from operation_runner.sdk import Operation

_log = get_logger(__name__)

_TIMEOUT_MESSAGE = "The operation timed out, contact developers if this persists."
#: What a process that combines images needs at most: a band (12 MiB), the planes of a median network (64 KiB for each
#: of 999 images), one decoded row band per file format; and room to spare.
_LEAST_PROCESS_BYTES = 256 * 1024**2
#: Modules multiprocessing itself would load in each forked process.
_LOADED_BY_EVERY_CHILD = ("encodings.ascii", "multiprocessing.popen_forkserver")


class ComputationFailedError(Exception):
    """An operation raised something it should not have; the text is its traceback."""


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that does one job, and our ends of the pipes to it."""

    process: ForkServerProcess
    assignments: Connection
    answers: Connection


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
            [
                CHILD_MODULE,
                *{type(operation).__module__ for operation in registry.values()},
                *_LOADED_BY_EVERY_CHILD,
            ]
        )
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="compute")
        self._spares: SimpleQueue[_Child] = SimpleQueue()
        self._ahead = threading.Lock()
        #: Whoever starts a process makes multiprocessing look after all others, which no other thread may be ending.
        self._turn = threading.Lock()

    async def start(self) -> None:
        """Start the server process, so that the first job need not wait for it."""
        # Numerical libraries that start threads when loaded must not: a process with threads cannot safely be forked.
        for library in ("OPENBLAS", "OMP", "MKL"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")

        await asyncio.to_thread(self._fork_ahead)

    def stop(self) -> None:
        """Wait for the threads that watch processes, whose processes have ended before; end the one forked ahead."""
        self._threads.shutdown()
        with suppress(Empty):
            while True:
                self._end(self._spares.get_nowait())

    async def compute(self, job: Job, *, on_progress: Callable[[float, str], None]) -> Computed:
        """Run a job; cancelling kills its processes.

        Raises `UsageError` (the data cannot work), `LimitExceededError`, `TransientError` (killed from outside, or the
        machine failed) and `ComputationFailedError` (a bug in the operation).
        """
        loop = asyncio.get_running_loop()
        leash, leash_end = self._context.Pipe(duplex=False)

        def report(fraction: float, text: str) -> None:
            loop.call_soon_threadsafe(on_progress, fraction, text)

        answered: asyncio.Future[Computed] = loop.create_future()

        def answer(computed: Computed) -> None:
            loop.call_soon_threadsafe(answered.set_result, computed)

        watching = loop.run_in_executor(self._threads, self._start_and_watch, job, leash, report, answer)
        try:
            await asyncio.wait([watching, answered], return_when=asyncio.FIRST_COMPLETED)
            # After its answer a process has nothing left to do but end, which is not worth waiting for.
            return answered.result() if answered.done() else watching.result()
        finally:
            leash_end.close()
            if not answered.done():
                await asyncio.wait([watching])  # also whoever cancelled finds no process left

    def _start_and_watch(
        self,
        job: Job,
        leash: Connection,
        report: Callable[[float, str], None],
        answer: Callable[[Computed], None],
    ) -> Computed:
        """Do everything about one process in one thread, so that nothing is done to it twice or too late."""
        with leash:
            if leash.poll():  # cancelled while this was waiting for its thread
                raise _AbandonedError
            child = self._assigned(job)
            try:
                last_word = self._last_word(child.answers, leash, report)
                if isinstance(last_word, Computed):
                    answer(last_word)
            finally:
                exit_code = self._end(child)
                self._fork_ahead()
        return self._understood(last_word, exit_code=exit_code)

    def _assigned(self, job: Job) -> _Child:
        """Give the job to the process forked ahead, or to a new one if there is none that lives."""
        assignment = Assignment(
            job=job,
            operation=self._registry[job.operation],
            processes=self._processes,
            memory_bytes=self._memory_bytes,
        )
        with suppress(Empty):
            while True:
                child = self._spares.get_nowait()
                with suppress(OSError):
                    child.assignments.send(assignment)
                    return child
                self._end(child)  # it was killed while it waited
        child = self._fork()
        child.assignments.send(assignment)
        return child

    def _fork_ahead(self) -> None:
        with self._ahead:
            if self._spares.empty():
                self._spares.put(self._fork())

    def _fork(self) -> _Child:
        reading, assignments = self._context.Pipe(duplex=False)
        answers, writing = self._context.Pipe(duplex=False)
        with reading, writing, self._turn:
            process = self._context.Process(
                target=begin,
                args=(reading, writing),
                # The parent of a forked process is the server process, not this one; it runs once one was started.
                kwargs={"parent": _forkserver_pid()},
            )
            process.start()
        return _Child(process, assignments, answers)

    def _end(self, child: _Child) -> int | None:
        """End a process and its children, whatever they are doing; return its exit code."""
        process = child.process
        assert process.pid is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # it has no group of its own yet
            os.kill(process.pid, signal.SIGKILL)
        with self._turn:
            process.join()
            exit_code = process.exitcode
            process.close()
        child.assignments.close()
        child.answers.close()
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

    forkserver.ensure_running()
    pid: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001
    return pid
