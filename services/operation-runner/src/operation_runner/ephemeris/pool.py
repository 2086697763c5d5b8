"""The process that knows where the Sun and the Moon stand: one, which answers within hundredths of a second."""

from __future__ import annotations

from datalab.errors import TransientError
from datalab.events.ephemeris import EphemerisQuestion
from datalab.platform.logging import get_logger
from datalab.processes.outcomes import ProcessLostError, TimeLimitError
from datalab.processes.pool import WorkerPool

_log = get_logger(__name__)


class Almanac:
    """Has one question answered at a time; more wait."""

    def __init__(self) -> None:
        self._pool = WorkerPool("operation_runner.ephemeris.worker:telling", places=1)

    async def start(self) -> None:
        """The process starts with the first question."""

    async def stop(self) -> None:
        """End the process."""
        await self._pool.stop()

    async def tell(self, question: EphemerisQuestion) -> bytes:
        """Return the answer as JSON. Raises `UsageError`, `TransientError`."""
        try:
            answer: bytes = await self._pool.ask(
                question,
                time_limit_s=question.answer_within_s,
                on_first_loss=lambda lost: _log.warning("ephemeris.process_lost", exit_code=lost.exit_code),
            )
        except TimeLimitError:
            raise TransientError("the Sun and the Moon were not found in time") from None
        except ProcessLostError as lost:
            raise TransientError("the process that knows the Sun and the Moon was ended") from lost
        return answer
