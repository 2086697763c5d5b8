"""Whose the tokens are that were seen a moment ago: every request begins with that question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from session_api.accounts.model import Grant

#: So long another process of the API may still let a token in that was taken away here, in seconds.
_TRUE_FOR_S = 5.0
_MOST = 10_000


class KnownTokens:
    """What tokens give, by their hashes. Forgets everything when this process changes any account or token."""

    def __init__(self) -> None:
        self._grants: OrderedDict[str, tuple[Grant, float]] = OrderedDict()
        #: Changes so far: what was asked for before the latest one may be old when it is answered.
        self.changes = 0

    def find(self, token_hash: str) -> Grant | None:
        """Return what it gives, if it was looked up a moment ago."""
        grant, until = self._grants.get(token_hash, (None, 0.0))
        return grant if monotonic() < until else None

    def keep(self, token_hash: str, grant: Grant, *, changes: int) -> None:
        """Remember what was looked up when there had been so many changes."""
        if changes == self.changes:
            self._grants.pop(token_hash, None)
            self._grants[token_hash] = (grant, monotonic() + _TRUE_FOR_S)
            if len(self._grants) > _MOST:
                self._grants.popitem(last=False)

    @contextmanager
    def forgotten(self) -> Iterator[None]:
        """Forget everything after the block, which changes something, or fails at it."""
        try:
            yield
        finally:
            self._grants.clear()
            self.changes += 1
