"""Processes that make pictures, so that no file can block, crash or exhaust the runner."""

from __future__ import annotations

from datalab.errors import UsageError
from datalab.platform.logging import get_logger
from datalab.processes.outcomes import ProcessLostError, TimeLimitError
from datalab.processes.pool import WorkerPool
from operation_runner.previews.model import FitsTask, JpegTask, Pictures, Sizes

_log = get_logger(__name__)


class PreviewPool:
    """Has pictures of `processes` files made at once; more wait."""

    def __init__(self, *, processes: int, time_limit_s: float, memory_bytes: int, sizes: Sizes) -> None:
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._pool = WorkerPool("operation_runner.previews.worker:painting", memory_bytes, sizes, places=processes)

    async def start(self) -> None:
        """Processes start with the first request."""

    async def stop(self) -> None:
        """End the processes."""
        await self._pool.stop()

    async def paint(self, task: JpegTask | FitsTask) -> Pictures:
        """Return the pictures of a file. One that ends two processes in a row is to blame itself.

        Raises:
            UsageError: there can be none, or not within time and memory.
            TransientError: this machine failed.
            WorkFailedError: our code failed on it.
        """
        try:
            pictures: Pictures = await self._pool.ask(
                task,
                time_limit_s=self._time_limit_s,
                on_first_loss=lambda lost: _log.warning("preview.repeated", reason=str(lost)),
            )
        except MemoryError:
            limit_mib = self._memory_bytes // 1024**2
            raise UsageError(f"a picture of it needs more than {limit_mib} MiB of memory") from None
        except TimeLimitError:
            raise UsageError(f"a picture of it takes more than {self._time_limit_s:g} s") from None
        except ProcessLostError as lost:
            raise UsageError(f"no picture can be made of it: {lost}") from lost
        return pictures
