"""Processes that look at images: they live long, so that nothing is loaded or decoded twice, and may die any time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from datalab.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.messages import Answered, AnswerKind, Question, begin
from operation_runner.analysing.model import AnalysisJob, TooLateError
from operation_runner.computing.forkserver import TalkingProcess

_log = get_logger(__name__)


class AnalysisFailedError(Exception):
    """An action raised something it should not have; the text is its traceback."""


class _ProcessLostError(Exception):
    """The process ended before it answered."""


class AnalysisPool:
    """Has `processes` jobs done at once; more wait."""

    def __init__(
        self,
        *,
        packages: Sequence[str],
        decoded: DecodedImages,
        processes: int,
        memory_bytes: int,
        largest_image_bytes: int,
    ) -> None:
        self._decoded = decoded
        self._memory_bytes = memory_bytes
        self._largest_image_bytes = largest_image_bytes
        self._workers = [_Worker(tuple(packages), memory_bytes) for _ in range(processes)]
        #: The one that worked last has the image open that is asked for next.
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)  # whose process starts with its first question
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="analysis")

    async def start(self) -> None:
        """Make room for images; processes start with the first question."""
        self._decoded.open()

    async def stop(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.kill()
        await asyncio.to_thread(self._threads.shutdown)
        for worker in self._workers:
            await asyncio.to_thread(worker.end)

    async def analyse(self, job: AnalysisJob, *, within_s: float) -> bytes:
        """Return the answer as JSON.

        Raises:
            UsageError: the data cannot work, or not within the memory or (`TooLateError`) the time there is.
            TransientError: the process was ended from outside, or this machine failed.
            AnalysisFailedError: the action has a bug.
        """
        try:
            async with asyncio.timeout(within_s), self._decoded.kept(job.file.sha256) as folder:
                question = Question(job=job, folder=folder, limit_bytes=self._largest_image_bytes)
                answered = await self._asked(question)
        except TimeoutError:
            raise TooLateError(f"{job.file.basename} could not be analysed in time") from None
        except _ProcessLostError as error:
            raise TransientError("the process that analysed the image was ended") from error
        return self._understood(answered, job)

    async def _asked(self, question: Question) -> Answered:
        worker = await self._idle.get()
        worker.killed = False
        asking = asyncio.get_running_loop().run_in_executor(self._threads, worker.ask, question)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            worker.kill()
            await asyncio.wait([asking])
            asking.exception()  # that the process was lost is no surprise
            raise
        finally:
            self._idle.put_nowait(worker)

    def _understood(self, answered: Answered, job: AnalysisJob) -> bytes:
        match answered.kind:
            case AnswerKind.DONE:
                return answered.content
            case AnswerKind.USAGE:
                raise UsageError(answered.content.decode())
            case AnswerKind.MEMORY:
                limit_mib = self._memory_bytes // 1024**2
                raise UsageError(f"{job.file.basename} needs more than the {limit_mib} MiB of memory an analysis has")
            case AnswerKind.TRANSIENT:
                raise TransientError(answered.content.decode())
            case AnswerKind.BUG:
                raise AnalysisFailedError(answered.content.decode())


class _Worker:
    """One process, started again when it was lost. `ask` runs in a thread; `kill` comes from another one."""

    def __init__(self, packages: tuple[str, ...], memory_bytes: int) -> None:
        self._packages = packages
        self._memory_bytes = memory_bytes
        self._talking: TalkingProcess | None = None
        self.killed = False

    def ask(self, question: Question) -> Answered:
        """Wait for the answer. Raises `_ProcessLostError`."""
        try:
            if self._talking is None:
                self._talking = TalkingProcess.start(begin, self._packages, self._memory_bytes)
            if not self.killed:
                self._talking.pipe.send(question)
            answered: Answered = self._talking.pipe.recv()
        except (EOFError, OSError) as error:
            self.end()
            _log.warning("analysis.process_lost", action=question.job.action, sha256=question.job.file.sha256)
            raise _ProcessLostError from error
        return answered

    def kill(self) -> None:
        """End the process; whoever waits for its answer hears of it."""
        self.killed = True
        if self._talking is not None:
            self._talking.kill()

    def end(self) -> None:
        """End the process and forget it."""
        talking, self._talking = self._talking, None
        if talking is not None:
            talking.end()
