"""How much of something one process may hold at once, and how much of that for one user."""

from __future__ import annotations

import asyncio
from collections import Counter

from datalab.errors import TransientError


class ByteBudget:
    """Bytes that are lent and given back. No user gets more than a part, so that one cannot stand in everybody's way.

    Of those who wait, the user is served first whose last turn is longest ago: asking often helps nobody.
    """

    def __init__(self, *, total: int, per_user: int) -> None:
        self._total = total
        self._per_user = per_user
        self._lent = 0
        self._lent_to: Counter[str] = Counter()
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self._turns = 0
        self._last_turn: dict[str, int] = {}

    def try_take(self, user: str, size: int) -> bool:
        """Lend bytes, if they are there. Whoever holds nothing is lent more than their part while nobody waits."""
        if not self._is_there(user, size):
            return False
        self._lend(user, size)
        return True

    async def take(self, user: str, size: int, *, timeout_s: float) -> None:
        """Lend bytes as soon as they are there. Raises `TransientError` after a time without them."""
        if not self._waiting and self.try_take(user, size):
            self._note_turn(user)
            return
        lent = asyncio.get_running_loop().create_future()
        entry = (user, size, lent)
        self._waiting.append(entry)
        self._serve()
        try:
            async with asyncio.timeout(timeout_s):
                await lent
        except BaseException as error:
            if lent.done() and not lent.cancelled():
                self.give_back(user, size)
            if entry in self._waiting:
                self._waiting.remove(entry)
            if isinstance(error, TimeoutError):
                raise TransientError("too much is being answered at once; try again in a moment") from None
            raise

    def give_back(self, user: str, size: int) -> None:
        """Take bytes back."""
        self._lent -= size
        self._lent_to[user] -= size
        if not self._lent_to[user]:
            del self._lent_to[user]
        self._serve()

    def _is_there(self, user: str, size: int) -> bool:
        if self._lent == 0:
            return True  # larger than everything: alone
        return self._lent + size <= self._total and self._lent_to[user] + size <= self._per_user

    def _lend(self, user: str, size: int) -> None:
        self._lent += size
        self._lent_to[user] += size

    def _serve(self) -> None:
        for entry in sorted(self._waiting, key=lambda entry: self._last_turn.get(entry[0], 0)):
            user, size, lent = entry
            if self._is_there(user, size):
                self._waiting.remove(entry)
                if not lent.done():
                    self._lend(user, size)
                    self._note_turn(user)
                    lent.set_result(None)

    def _note_turn(self, user: str) -> None:
        self._turns += 1
        self._last_turn[user] = self._turns
        present = {*self._lent_to, *(entry[0] for entry in self._waiting)}
        self._last_turn = {name: turn for name, turn in self._last_turn.items() if name in present}
