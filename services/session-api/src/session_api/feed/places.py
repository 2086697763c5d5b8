"""How many connections there may be at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from session_api.feed.model import CloseCode, FeedClosedError


class Places:
    """Places for connections: some in all, and perhaps fewer for each address."""

    def __init__(self, *, total: int, per_address: int | None = None, count: Callable[[int], None]) -> None:
        """`count` hears how many are taken, each time that changes."""
        self._total = total
        self._per_address = total if per_address is None else per_address
        self._count = count
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Hold a place for the block. Raises `FeedClosedError` if there is none."""
        if self._taken[address] >= self._per_address:
            raise FeedClosedError(CloseCode.TOO_MANY_CLIENTS, "too many connections from one address")
        if self._taken.total() >= self._total:
            raise FeedClosedError(CloseCode.TOO_MANY_CLIENTS, "too many clients, try again later")
        self._taken[address] += 1
        self._count(self._taken.total())
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
            self._count(self._taken.total())
