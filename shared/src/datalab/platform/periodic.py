"""Work that is done again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from datalab.errors import TransientError
from datalab.platform.logging import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """Work that is done again and again, `every_s` after it was done last, the first time after `first_after_s`.

    Work on everything there is grows with it: the pause is so long that at most `share_of_time` of the time goes to it.
    """

    name: str
    every_s: float
    work: Callable[[], Awaitable[object]]
    first_after_s: float | None = None
    share_of_time: float = 1.0

    async def repeat(self) -> None:
        """Work until cancelled. A failure is logged and does not end it."""
        pause_s = self.every_s if self.first_after_s is None else self.first_after_s
        while True:
            await asyncio.sleep(pause_s)
            began = perf_counter()
            try:
                await self.work()
            except TransientError as error:
                _log.warning("periodic.interrupted", work=self.name, reason=error.message)
            except Exception:  # noqa: BLE001 - a bug in one turn must not end the others
                _log.exception("periodic.failed", work=self.name)
            pause_s = max(self.every_s, (perf_counter() - began) / self.share_of_time)
