"""Computations in processes of their own: nothing they do can block, bloat or kill the runner.

A process is forked from a server process that has everything loaded, which takes milliseconds, and may be killed at
any time. It does one job after the other, but only while it is as new: one that a job has changed, or that failed,
takes its memory with it, and no other job finds what was left there (`datalab.processes.reuse`).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from datalab.errors import OutageError, TransientError, UsageError
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks
from datalab.processes.outcomes import DiskFullError, MachineError, Outcome, ProcessLostError, TimeLimitError
from datalab.processes.pool import Reply, WorkerPool
from datalab.processes.reuse import Reuse
from operation_runner.computing.model import LimitExceededError, StarsWanted
from operation_runner.sdk.jobs import Computed, Job, LocalProduct
from operation_runner.stars.model import StarCatalogue

_log = get_logger(__name__)

_TIMEOUT_MESSAGE = "The operation timed out, contact developers if this persists."
#: What a process that combines images needs at most: a band (12 MiB), the planes of a median network (64 KiB for each
#: of 999 images), one decoded row band per file format; and room to spare.
_LEAST_PROCESS_BYTES = 256 * 1024**2
#: A job whose own files fill more of a disk is too large for it; with less, something else has filled the disk.
_MOST_OF_THE_DISK = 0.5
#: Forking costs 30 ms of CPU, as much as the tiniest job; so it is a hundredth of that at most.
_MOST_JOBS = 200
#: What a job may leave in memory for ever; every job may use `memory_bytes` beyond it.
_MOST_GROWTH_BYTES = 64 * 1024**2


class ProcessComputer:
    """Runs jobs, each alone in a process that is as new."""

    def __init__(
        self,
        *,
        packages: Sequence[str],
        stars: StarCatalogue,
        slots: int,
        processes: int,
        time_limit_s: float,
        memory_bytes: int,
        sky_index_dir: Path | None = None,
    ) -> None:
        self._stars = stars
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._pool = WorkerPool(
            "operation_runner.computing.job:computing",
            tuple(packages),
            max(1, min(processes, memory_bytes // _LEAST_PROCESS_BYTES)),
            memory_bytes,
            sky_index_dir,
            places=slots,
            reuse=Reuse(
                most_answers=_MOST_JOBS, most_growth_bytes=_MOST_GROWTH_BYTES, packages=("operation_runner", *packages)
            ),
            on_spent=lambda reason: _log.debug("compute.process_replaced", reason=reason),
        )

    async def start(self) -> None:
        """Start the first process, so that the first job need not wait for it."""
        await self._pool.start()

    async def stop(self) -> None:
        """End the processes."""
        await self._pool.stop()

    @property
    def idle_pids(self) -> list[int]:
        """The process ids of those that wait for a job."""
        return self._pool.idle_pids

    async def compute(
        self, job: Job, *, on_progress: Callable[[float, str], None], on_product: Callable[[LocalProduct], None]
    ) -> Computed:
        """Run a job; cancelling kills its processes.

        Raises `UsageError` (the data cannot work), `LimitExceededError`, `TransientError` (killed from outside, or the
        machine failed), `OutageError` (the disk is full) and `WorkFailedError` (a bug in the operation).
        """
        fetches: list[asyncio.Task[None]] = []

        def hear(message: Any, reply: Reply) -> None:
            match message:
                case (float(fraction), str(text)):
                    on_progress(fraction, text)
                case LocalProduct():
                    on_product(message)
                case StarsWanted():
                    fetches.append(asyncio.create_task(self._fetch_stars(message, reply)))

        try:
            computed: Computed = await self._pool.ask(job, on_message=hear, time_limit_s=self._time_limit_s)
        except (MachineError, DiskFullError) as error:
            raise _why_the_machine_failed(error, job) from error
        except MemoryError:
            limit_mib = self._memory_bytes // 1024**2
            raise LimitExceededError(
                f"The operation needed more than the {limit_mib} MiB of memory it may use."
            ) from None
        except TimeLimitError:
            raise LimitExceededError(_TIMEOUT_MESSAGE) from None
        except ProcessLostError as lost:
            _log.error("compute.process_died", exit_code=lost.exit_code)
            raise TransientError("The process that computed the operation was killed.") from lost
        finally:
            await end_tasks(*fetches)
        return computed

    async def _fetch_stars(self, wanted: StarsWanted, reply: Reply) -> None:
        """Get what a process asked for, and tell it."""
        refusal: Exception | None = None
        try:
            await self._stars.fetch(wanted.region, wanted.target)
        except (UsageError, TransientError) as error:
            refusal = error
        except Exception:  # noqa: BLE001 - the process must not wait for an answer in vain
            _log.exception("compute.stars_failed")
            refusal = RuntimeError("the stars could not be fetched")
        reply(Outcome(error=refusal))


def _why_the_machine_failed(error: MachineError | DiskFullError, job: Job) -> Exception:
    if isinstance(error, MachineError):
        return TransientError(f"The computer that runs the operation failed: {error.message}.")
    if _share_of_the_disk(job) > _MOST_OF_THE_DISK:
        return LimitExceededError(
            "The operation needs more room than the disk has on the computer that runs it; "
            "use fewer or smaller input files."
        )
    return OutageError(f"the computer that runs the operation failed: {error.message}")


def _share_of_the_disk(job: Job) -> float:
    """Return how much of the whole disk the files of a job take, 0 to 1."""
    used_bytes = sum(file.size_bytes for file in job.inputs)
    for path in job.work_dir.iterdir():
        with suppress(FileNotFoundError):  # it has just been stored
            used_bytes += path.stat().st_size
    return used_bytes / shutil.disk_usage(job.work_dir).total
