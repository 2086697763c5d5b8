"""Where connections are until they say who they are: apart from clients, and few of each address."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WaitingRoom:
    """Connections without a token yet, oldest first, by address.

    Whoever comes is let in; if there are too many then, the oldest of that address, or of the address that has most,
    is sent away. Who signs in at once, as clients do, is not touched by those who only sit there.
    """

    def __init__(self, *, places: int, places_per_address: int, time_limit_s: float) -> None:
        self._places = places
        self._places_per_address = places_per_address
        self._time_limit_s = time_limit_s
        self._by_address: defaultdict[str, dict[asyncio.Timeout, None]] = defaultdict(dict)

    @asynccontextmanager
    async def place(self, address: str) -> AsyncIterator[None]:
        """Give a connection time for the block. Raises `TimeoutError` when it is over, or somebody needs the place."""
        async with asyncio.timeout(self._time_limit_s) as limit:
            mine = self._by_address[address]
            mine[limit] = None
            try:
                if len(mine) > self._places_per_address:
                    self._send_away_oldest(address)
                elif len(self) > self._places:
                    self._send_away_oldest(max(self._by_address, key=lambda each: len(self._by_address[each])))
                yield
            finally:
                self._forget(address, limit)

    def __len__(self) -> int:
        return sum(map(len, self._by_address.values()))

    def _send_away_oldest(self, address: str) -> None:
        oldest = next(iter(self._by_address[address]))
        self._forget(address, oldest)
        oldest.reschedule(asyncio.get_running_loop().time())

    def _forget(self, address: str, limit: asyncio.Timeout) -> None:
        of_address = self._by_address.get(address)
        if of_address is not None:
            of_address.pop(limit, None)
            if not of_address:
                del self._by_address[address]
