"""Tells who sent a token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from datalab.errors import TransientError
from session_api.accounts.model import Account
from session_api.accounts.repository import AccountRepository
from session_api.accounts.usernames import ADMIN_USERNAME
from session_api.web.failures import AuthenticationError
from session_api.web.user import User

_ADMIN = User(ADMIN_USERNAME, superuser=True)


class Authenticator:
    """Tells the user behind a token. Tokens are known by their hashes only.

    Waits for the document store as long as people do: one that hangs keeps its connections, and the driver waits. This
    is the first question of every request, so that none gets further while the store hangs.
    """

    def __init__(self, *, users: AccountRepository, admin_token: str | None, timeout_s: float) -> None:
        self._users = users
        self._timeout_s = timeout_s
        self._admin_hash = token_hash(admin_token) if admin_token else None

    async def authenticate(self, token: str) -> User:
        """Return the user the token was given to.

        Raises:
            AuthenticationError: nobody has this token, or its user may not log in any more.
            TransientError: the document store does not answer in time.
        """
        return await self.user_of_hash(token_hash(token))

    async def user_of_hash(self, digest: str) -> User:
        """Return the user whose token has this hash. Raises as `authenticate` does.

        Whoever knows a hash has not shown the token: ask for something only its owner has.
        """
        if self._admin_hash is not None and hmac.compare_digest(digest, self._admin_hash):
            return _ADMIN
        try:
            async with asyncio.timeout(self._timeout_s):
                account = await self._users.find_any_by_token_hash(digest)
        except TimeoutError:
            raise TransientError("the document store does not answer") from None
        if account is None:
            raise AuthenticationError("Invalid token.")
        return _active(account)

    async def user_named(self, username: str) -> User:
        """Return a user as they stand now, without a token of theirs.

        Raises:
            AuthenticationError: there is no such user, or they may not log in any more.
            TransientError: the document store does not answer.
        """
        if username == ADMIN_USERNAME and self._admin_hash is not None:
            return _ADMIN
        return _active(await self._users.find_any(username))


def _active(account: Account | None) -> User:
    if account is None or not account.active:
        raise AuthenticationError("User inactive or deleted.")
    return account.user()


def token_hash(token: str) -> str:
    """Return the SHA-256 a token is stored under, in hexadecimal. Tokens are random: they need no salt."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
