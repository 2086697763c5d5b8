"""How much each of many may use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

#: Whoever used something longest ago is forgotten first, and then has all they may have.
_MOST_REMEMBERED: Final = 10_000


class Allowance:
    """How much each may use: `per_s` on average, and what was not used in `burst_s`."""

    def __init__(self, *, per_s: float, burst_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_s = per_s
        self._most = per_s * burst_s
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> bool:
        """Take one, if there is one left."""
        left = self._left_of(who)
        if left < 1.0:
            return False
        self.charge(who, 1.0)
        return True

    def charge(self, who: str, amount: float) -> None:
        """Take what has been used already, more than is left if need be: there is nothing until that is made up."""
        self._left[who] = (self._left_of(who) - amount, self._clock())
        self._left.move_to_end(who)
        if len(self._left) > _MOST_REMEMBERED:
            self._left.popitem(last=False)

    def wait_s(self, who: str) -> float:
        """Return how long it takes until there is one left; 0 if there is."""
        return max(0.0, (min(1.0, self._most) - self._left_of(who)) / self._per_s)

    def _left_of(self, who: str) -> float:
        now = self._clock()
        left, since = self._left.get(who, (self._most, now))
        return min(self._most, left + (now - since) * self._per_s)
