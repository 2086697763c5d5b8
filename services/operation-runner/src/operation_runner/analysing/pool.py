"""Processes that look at images: they live long, so that nothing is loaded or decoded twice, and may die any time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from datalab.errors import TransientError, UsageError
from datalab.platform.logging import get_logger
from datalab.processes.outcomes import ProcessLostError
from datalab.processes.pool import WorkerPool
from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.model import AnalysisJob, Question, TooLateError

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
        """Make room for images; processes start with the first question."""
        self._decoded.open()

    async def stop(self) -> None:
        """End the processes."""
        await self._pool.stop()

    async def analyse(self, job: AnalysisJob, *, within_s: float) -> bytes:
        """Return the answer as JSON.

        Raises:
            UsageError: the data cannot work, or not within the memory or (`TooLateError`) the time there is.
            TransientError: the process was ended from outside, or this machine failed.
            WorkFailedError: the action has a bug.
        """
        try:
            async with asyncio.timeout(within_s), self._decoded.kept(job.file.sha256) as folder:
                answer: bytes = await self._pool.ask(
                    Question(job=job, folder=folder, limit_bytes=self._largest_image_bytes)
                )
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
        return answer
