"""Processes that look inside files, so that no file can block, crash or exhaust the service."""

from __future__ import annotations

from pathlib import Path

from datalab.documents.file_names import FileName
from datalab.errors import UsageError
from datalab.platform.logging import get_logger
from datalab.processes.forkserver import preload
from datalab.processes.outcomes import ProcessLostError, TimeLimitError
from datalab.processes.pool import WorkerPool
from ingest.frames.model import Inspection
from ingest.inspection.plain import inspect_plain, is_plain

_log = get_logger(__name__)

_WORK = "ingest.inspection.worker:inspecting"


class InspectionPool:
    """Inspects files, `processes` at a time."""

    def __init__(
        self,
        *,
        processes: int,
        time_limit_s: float,
        memory_limit_bytes: int,
        max_expanded_bytes: int,
        work: str = _WORK,
    ) -> None:
        preload([work.partition(":")[0]])
        self._time_limit_s = time_limit_s
        self._pool = WorkerPool(work, memory_limit_bytes, max_expanded_bytes, places=processes)

    async def start(self) -> None:
        """Start the processes."""
        await self._pool.start()

    async def stop(self) -> None:
        """End the processes."""
        await self._pool.stop()

    async def inspect(self, file: bytes | Path, name: FileName) -> Inspection:
        """Return what is in a file, of which the content is given or, of a FITS file, the path.

        One that ends two processes in a row is to blame itself.

        Raises:
            UsageError: the file is not what its name says, is damaged, or cannot be read within the limits.
            WorkFailedError: our code failed on it.
        """
        if is_plain(name.content):
            return inspect_plain(file, name.content)

        def tell_of_loss(lost: ProcessLostError) -> None:
            _log.warning("inspection.repeated", basename=name.basename, role=name.role, reason=_reason(lost))

        try:
            inspection: Inspection = await self._pool.ask(
                (file, name.content, name.compression), time_limit_s=self._time_limit_s, on_first_loss=tell_of_loss
            )
        except MemoryError:
            raise UsageError("reading the file takes more memory than a file may need") from None
        except ProcessLostError as lost:
            raise UsageError(f"the file cannot be read: {_reason(lost)}") from lost
        return inspection


def _reason(lost: ProcessLostError) -> str:
    return str(lost) if isinstance(lost, TimeLimitError) else f"the reading process ended with {lost.exit_code}"
