"""Files that are packed as a whole, one after the other.

What is inside is known once all of it is unpacked: some megabytes from outside may take a minute and a half. While one
of them is looked at, other files have the other processes, and are never behind those that wait for their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from datalab.errors import PostponedError

#: One is looked at; another waits here, so that there is no gap between them.
_MOST_AT_ONCE = 2


class PackedLane:
    """A place for one packed file."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._at_once = 0

    @asynccontextmanager
    async def taken(self, *, patient: bool) -> AsyncIterator[None]:
        """Have the place. Unless `patient`, raises `PostponedError` where others wait for it."""
        if not patient and self._at_once >= _MOST_AT_ONCE:
            raise PostponedError("other packed files are being looked at")
        self._at_once += 1
        try:
            async with self._turn:
                yield
        finally:
            self._at_once -= 1
