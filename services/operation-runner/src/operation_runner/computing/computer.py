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
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from datalab.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from operation_runner.computing.forkserver import end_process, start_process
from operation_runner.computing.messages import BUG, MEMORY, TRANSIENT, USAGE, Assignment, StarsWanted, begin
from operation_runner.computing.model import LimitExceededError
from operation_runner.sdk.jobs import Computed, Job, LocalProduct
from operation_runner.stars.model import StarCatalogue

_log = get_logger(__name__)

_TIMEOUT_MESSAGE = "The operation timed out, contact developers if this persists."
#: What a process that combines images needs at most: a band (12 MiB), the planes of a median network (64 KiB for each
#: of 999 images), one decoded row band per file format; and room to spare.
_LEAST_PROCESS_BYTES = 256 * 1024**2


class ComputationFailedError(Exception):
    """An operation raised something it should not have; the text is its traceback."""


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that does one job, and our ends of the pipes to it."""

    process: ForkServerProcess
    assignments: Connection
    answers: Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """Whom to tell, in the event loop, what a process says."""

    report: Callable[[float, str], None]
    deliver: Callable[[LocalProduct], None]
    answer: Callable[[Computed], None]
    fetch: Callable[[StarsWanted, _Child], Future[None]]


class ProcessComputer:
    """Runs jobs, each in a process of its own."""

    def __init__(
        self,
        *,
        packages: Sequence[str],
        stars: StarCatalogue,
        slots: int,
        processes: int,
        time_limit_s: float,
        memory_bytes: int,
    ) -> None:
        self._packages = tuple(packages)
        self._stars = stars
        self._processes = max(1, min(processes, memory_bytes // _LEAST_PROCESS_BYTES))
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._context = multiprocessing.get_context("forkserver")
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="compute")
        self._spares: SimpleQueue[_Child] = SimpleQueue()
        self._ahead = threading.Lock()

    async def start(self) -> None:
        """Start the server process, so that the first job need not wait for it."""
        await asyncio.to_thread(self._fork_ahead)

    async def stop(self) -> None:
        """Wait for the threads that watch processes, whose processes have ended before; end the one forked ahead."""
        self._threads.shutdown()
        with suppress(Empty):
            while True:
                self._end(self._spares.get_nowait())

    async def compute(
        self, job: Job, *, on_progress: Callable[[float, str], None], on_product: Callable[[LocalProduct], None]
    ) -> Computed:
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

        def fetch(wanted: StarsWanted, child: _Child) -> Future[None]:
            return asyncio.run_coroutine_threadsafe(self._fetch_stars(wanted, child), loop)

        def deliver(product: LocalProduct) -> None:
            loop.call_soon_threadsafe(on_product, product)

        heard = _Heard(report=report, deliver=deliver, answer=answer, fetch=fetch)
        watching = loop.run_in_executor(self._threads, self._start_and_watch, job, leash, heard)
        try:
            await asyncio.wait([watching, answered], return_when=asyncio.FIRST_COMPLETED)
            # After its answer a process has nothing left to do but end, which is not worth waiting for.
            return answered.result() if answered.done() else watching.result()
        finally:
            leash_end.close()
            if not answered.done():
                await asyncio.wait([watching])  # also whoever cancelled finds no process left

    def _start_and_watch(self, job: Job, leash: Connection, heard: _Heard) -> Computed:
        """Do everything about one process in one thread, so that nothing is done to it twice or too late."""
        with leash:
            if leash.poll():  # cancelled while this was waiting for its thread
                raise _AbandonedError
            child = self._assigned(job)
            fetching: list[Future[None]] = []
            try:
                last_word = self._last_word(child, leash, heard, fetching)
                if isinstance(last_word, Computed):
                    heard.answer(last_word)
            finally:
                for unfinished in fetching:
                    unfinished.cancel()
                exit_code = self._end(child)
                self._fork_ahead()
        return self._understood(last_word, exit_code=exit_code)

    def _assigned(self, job: Job) -> _Child:
        """Give the job to the process forked ahead, or to a new one if there is none that lives."""
        assignment = Assignment(
            job=job,
            packages=self._packages,
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
        with reading, writing:
            return _Child(start_process(begin, reading, writing), assignments, answers)

    def _end(self, child: _Child) -> int | None:
        """End a process and its children, whatever they are doing; return its exit code."""
        process = child.process
        assert process.pid is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # it has no group of its own yet
            os.kill(process.pid, signal.SIGKILL)
        exit_code = end_process(process)
        child.assignments.close()
        child.answers.close()
        return exit_code

    async def _fetch_stars(self, wanted: StarsWanted, child: _Child) -> None:
        """Get what a process asked for, and tell it."""
        refusal: Exception | None = None
        try:
            await self._stars.fetch(wanted.region, wanted.target)
        except (UsageError, TransientError) as error:
            refusal = error
        except Exception:  # noqa: BLE001 - the process must not wait for an answer in vain
            _log.exception("compute.stars_failed")
            refusal = RuntimeError("the stars could not be fetched")
        with suppress(OSError):  # it ended meanwhile
            child.assignments.send(refusal)

    def _last_word(self, child: _Child, leash: Connection, heard: _Heard, fetching: list[Future[None]]) -> Any:
        """Pass on what a process says until it answers; None if it dies without an answer."""
        deadline = monotonic() + self._time_limit_s
        while ready := wait([child.answers, leash], timeout=max(deadline - monotonic(), 0.0)):
            if leash in ready:
                raise _AbandonedError
            try:
                word = child.answers.recv()
            except EOFError:
                return None
            match word:
                case (float(fraction), str(text)):
                    heard.report(fraction, text)
                case LocalProduct():
                    heard.deliver(word)
                case StarsWanted():
                    fetching.append(heard.fetch(word, child))
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
