"""What accounts need from the document store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from session_api.accounts.model import Account
from session_api.web.window import Window


class UserRepository(Protocol):
    """Accounts and the hashes of their tokens."""

    async def find_any_by_token_hash(self, token_hash: str) -> Account | None: ...

    async def find_any(self, username: str) -> Account | None: ...

    async def page_of_all(self, window: Window) -> tuple[int, list[Account]]: ...

    async def insert(self, account: Account) -> bool:
        """Store a new account; return False if the name is taken."""
        ...

    async def update(
        self, username: str, *, active: bool | None, superuser: bool | None, proposals: Sequence[str] | None
    ) -> Account | None: ...

    async def add_token_hash(self, username: str, token_hash: str, *, created: datetime) -> None: ...

    async def remove_token_hashes(self, username: str) -> int: ...
