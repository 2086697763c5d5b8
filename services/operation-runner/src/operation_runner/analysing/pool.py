"""Processes that look at images: they live long, so that nothing is loaded or decoded twice, and may die any time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from datalab.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks
from datalab.processes.outcomes import Outcome, ProcessLostError
from datalab.processes.pool import Reply, WorkerPool
from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.model import (
    AnalysisJob,
    BytesWanted,
    GlimpseJob,
    PartJob,
    Question,
    ReadBytes,
    TooLateError,
)
from operation_runner.sdk.analysis import Part

_log = get_logger(__name__)


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
        self._pool = WorkerPool(
            "operation_runner.analysing.worker:analysing", tuple(packages), memory_bytes, places=processes
        )

    async def start(self) -> None:
        """Nothing: processes start with the first question."""

    async def stop(self) -> None:
        """End the processes."""
        await self._pool.stop()

    async def analyse(self, job: AnalysisJob, *, within_s: float) -> bytes | Part:
        """Return the answer, as JSON or a file.

        Raises:
            UsageError: the data cannot work, or not within the memory or (`TooLateError`) the time there is.
            TransientError: the process was ended from outside, or this machine failed.
            WorkFailedError: the action has a bug.
        """
        with self._explained(job):
            async with asyncio.timeout(within_s), self._decoded.kept(decoded_name(job)) as folder:
                question = Question(job=job, folder=folder, limit_bytes=self._largest_image_bytes)
                answer: bytes | Part = await self._pool.ask(question)
                return answer

    async def glimpse(self, job: AnalysisJob, *, within_s: float) -> bytes | Part:
        """Return the answer of an action that some rows are enough for; those who decode the image are not waited for.

        Raises as `analyse`.
        """
        end = asyncio.get_running_loop().time() + within_s
        if not self._decoded.has(decoded_name(job)):
            with self._explained(job):
                async with asyncio.timeout_at(end):
                    answer: bytes | Part | None = await self._pool.ask(GlimpseJob(job))
            if answer is not None:
                return answer
        return await self.analyse(job, within_s=end - asyncio.get_running_loop().time())

    async def cut(self, job: PartJob, *, read: ReadBytes, within_s: float) -> Part | None:
        """Return a part of an image that is elsewhere; None if its file has to be read as a whole.

        Raises as `analyse`, and what `read` does.
        """
        reads: list[asyncio.Task[None]] = []

        def hear(wanted: BytesWanted, reply: Reply) -> None:
            reads.append(asyncio.create_task(_fetch(wanted, read, reply)))

        try:
            with self._explained(job):
                async with asyncio.timeout(within_s):
                    part: Part | None = await self._pool.ask(job, on_message=hear)
        finally:
            await end_tasks(*reads)
        return part

    @contextmanager
    def _explained(self, job: AnalysisJob | PartJob) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise TooLateError(f"{job.file.basename} could not be analysed in time") from None
        except MemoryError:
            limit_mib = self._memory_bytes // 1024**2
            raise UsageError(
                f"{job.file.basename} needs more than the {limit_mib} MiB of memory an analysis has"
            ) from None
        except ProcessLostError as lost:
            _log.warning("analysis.process_lost", action=job.action, sha256=job.file.sha256, exit_code=lost.exit_code)
            raise TransientError("the process that analysed the image was ended") from lost


def decoded_name(job: AnalysisJob) -> str:
    """Return what the decoded image is called that a job looks at: another plane of a file is another image."""
    plane = job.parameters.get("plane")
    return job.file.sha256 if plane is None else f"{job.file.sha256}-{plane}"


async def _fetch(wanted: BytesWanted, read: ReadBytes, reply: Reply) -> None:
    """Get what a process asked for, and tell it."""
    try:
        outcome = Outcome(await read(wanted.offset, wanted.length))
    except (UsageError, TransientError) as error:
        outcome = Outcome(error=error)
    except Exception:  # noqa: BLE001 - the process must not wait for an answer in vain
        _log.exception("analysis.read_failed")
        outcome = Outcome(error=RuntimeError("the file could not be read"))
    reply(outcome)
