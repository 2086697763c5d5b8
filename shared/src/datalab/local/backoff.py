"""How long to wait before a crashed child is started again."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
FORGIVEN_AFTER_S = 30.0  # a child that lived this long has not the trouble of its predecessor


class Backoff:
    """Delays 0.2, 0.4, 0.8 … 10 s, from the first again after a start that lasted 30 s."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started_at = clock()
        self._next_delay_s = FIRST_DELAY_S

    def started(self) -> None:
        """Take note that the child was started now."""
        self._started_at = self._clock()

    def delay_s(self) -> float:
        """Return the delay for a child that ended now, in seconds."""
        if self._clock() - self._started_at >= FORGIVEN_AFTER_S:
            self._next_delay_s = FIRST_DELAY_S
        delay = self._next_delay_s
        self._next_delay_s = min(2 * delay, LONGEST_DELAY_S)
        return delay
