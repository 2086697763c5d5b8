"""Whose the tokens are that were seen a moment ago: every request begins with that question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from session_api.accounts.model import Account

#: So long another process of the API may still let a token in that was taken away here, in seconds.
_TRUE_FOR_S = 5.0
_MOST = 10_000


class KnownTokens:
    """Accounts by the hash of a token. Forgets everything when this process changes any account or token."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, tuple[Account, float]] = OrderedDict()
        #: Changes so far: what was asked for before the latest one may be old when it is answered.
        self.changes = 0

    def find(self, token_hash: str) -> Account | None:
        """Return the account, if it was looked up a moment ago."""
        account, until = self._accounts.get(token_hash, (None, 0.0))
        return account if monotonic() < until else None

    def keep(self, token_hash: str, account: Account, *, changes: int) -> None:
        """Remember an account that was looked up when there had been so many changes."""
        if changes == self.changes:
            self._accounts.pop(token_hash, None)
            self._accounts[token_hash] = (account, monotonic() + _TRUE_FOR_S)
            if len(self._accounts) > _MOST:
                self._accounts.popitem(last=False)

    @contextmanager
    def forgotten(self) -> Iterator[None]:
        """Forget everything after the block, which changes something, or fails at it."""
        try:
            yield
        finally:
            self._accounts.clear()
            self.changes += 1
