"""How much each site may send."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class Allowance:
    """How much each site may send: `per_s` on average, and what it did not use in `burst_s`."""

    def __init__(self, *, per_s: float, burst_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_s = per_s
        self._most = per_s * burst_s
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, site: str) -> bool:
        """Take one, if there is one left."""
        now = self._clock()
        left, since = self._left.get(site, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_s)
        self._left[site] = (max(left - 1.0, 0.0) if left >= 1.0 else left, now)
        return left >= 1.0
