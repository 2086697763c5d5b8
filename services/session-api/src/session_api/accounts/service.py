"""Making users and giving them tokens."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from datalab.events.envelope import utc_now
from session_api.accounts.authentication import token_hash
from session_api.accounts.model import Account, Scope, Token
from session_api.accounts.repository import AccountRepository
from session_api.accounts.usernames import canonical, check_username, name_taken
from session_api.web.failures import FieldError, RefusedError, UserNotFoundError
from session_api.web.window import Window

_TOKEN_BYTES = 20  # 40 hexadecimal digits, the length clients of the reference know


class UserService:
    """Every method is for superusers; the routes see to that."""

    def __init__(self, *, users: AccountRepository, tokens_are_chosen: bool) -> None:
        """Where `tokens_are_chosen` they may be ones that everybody knows."""
        self._users = users
        self._tokens_are_chosen = tokens_are_chosen

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

    async def add_token(
        self,
        username: str,
        *,
        token: str | None = None,
        scopes: Sequence[Scope] | None = None,
        lifetime: timedelta | None = None,
    ) -> str:
        """Return another token for the user, made up unless it is given; it is shown this once.

        Raises `UserNotFoundError`, `FieldError` for one that somebody has, `RefusedError` where none may be chosen.
        """
        if token is not None and not self._tokens_are_chosen:
            raise RefusedError("Tokens are not chosen here: a system that others reach makes them up.")
        await self.get(username)
        return await self._new_token(username, token=token, scopes=scopes, lifetime=lifetime)

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

    async def _new_token(
        self,
        username: str,
        *,
        token: str | None = None,
        scopes: Sequence[Scope] | None = None,
        lifetime: timedelta | None = None,
    ) -> str:
        token, now = token or new_token(), utc_now()
        added = await self._users.add_token(
            Token(
                token_hash=token_hash(token),
                username=username,
                created=now,
                scopes=None if scopes is None else tuple(scopes),
                expires_at=None if lifetime is None else now + lifetime,
            )
        )
        if not added:
            raise FieldError({"token": ["There is this token already."]})
        return token


def new_token() -> str:
    """Return a token nobody has."""
    return secrets.token_hex(_TOKEN_BYTES)
