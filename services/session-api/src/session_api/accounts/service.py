"""Making users and giving them tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from datalab.events.envelope import utc_now
from session_api.accounts.authentication import token_hash
from session_api.accounts.model import Account
from session_api.accounts.repository import AccountRepository
from session_api.accounts.usernames import canonical, check_username, name_taken
from session_api.web.failures import FieldError, UserNotFoundError
from session_api.web.window import Window

_TOKEN_BYTES = 20  # 40 hexadecimal digits, the length clients of the reference know


class UserService:
    """Every method is for superusers; the routes see to that."""

    def __init__(self, *, users: AccountRepository) -> None:
        self._users = users

    async def page(self, window: Window) -> tuple[int, list[Account]]:
        """Return how many accounts there are, and the window of them."""
        return await self._users.page_of_all(window)

    async def create(self, *, username: str, **rights: Any) -> str:
        """Make a user and return the first token. Raises `FieldError` if nobody may have the name, or somebody has.

        `rights` are fields of `Account`.
        """
        check_username(username)
        account = Account(
            **{"superuser": False, "proposals": (), **rights},
            username=username,
            canonical=canonical(username),
            active=True,
            created=utc_now(),
        )
        if not await self._users.insert(account):
            other = await self._users.find_any_like(canonical(username))
            if other is not None and other.deleted_at is not None:
                raise FieldError({"username": ["The user of that name is still being deleted: try again in a minute."]})
            raise name_taken(username, by=username if other is None else other.username)
        return await self._new_token(username)

    async def get(self, username: str) -> Account:
        """Return a user's account. Raises `UserNotFoundError`."""
        account = await self._users.find_any(username)
        if account is None:
            raise UserNotFoundError
        return account

    async def change(self, username: str, changes: Mapping[str, Any]) -> Account:
        """Change fields of an account. Raises `UserNotFoundError`."""
        account = await self._users.update(username, changes)
        if account is None:
            raise UserNotFoundError
        return account

    async def add_token(self, username: str) -> str:
        """Return another token for the user; it is shown this once. Raises `UserNotFoundError`."""
        await self.get(username)
        return await self._new_token(username)

    async def revoke_tokens(self, username: str) -> None:
        """Make every token of the user invalid. Raises `UserNotFoundError`."""
        await self.get(username)
        await self._users.remove_token_hashes(username)

    async def delete(self, username: str) -> None:
        """Delete a user; nobody can act as them from then on. Raises `UserNotFoundError`.

        Their sessions and operations go soon after; the name is free again when nothing of theirs is left.
        """
        if not await self._users.mark_deleted(username, now=utc_now()):
            raise UserNotFoundError

    async def _new_token(self, username: str) -> str:
        token = secrets.token_hex(_TOKEN_BYTES)
        await self._users.add_token_hash(username, token_hash(token), created=utc_now())
        return token
