"""Tells who sent a token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from session_api.accounts.model import Account, Origin
from session_api.accounts.repository import AccountRepository
from session_api.accounts.usernames import ADMIN_USERNAME
from session_api.accounts.web_tokens import WebTokens
from session_api.web.failures import AuthenticationError
from session_api.web.user import User

T = TypeVar("T")

_ADMIN = User(ADMIN_USERNAME, superuser=True)


class UnknownTokenError(AuthenticationError):
    """Nobody has this token."""

    def __init__(self) -> None:
        super().__init__("Invalid token.")


class Elsewhere(Protocol):
    """Whoever may know a token that is unknown here."""

    async def account_of(self, token: str) -> Account | None:
        """Return the account of its user, None for nobody. Raises `AuthenticationError`, `TransientError`."""
        ...


class Authenticator:
    """Tells the user behind a token. Our own are known by their hashes only, those of an issuer by its signature.

    What is unknown here may be known `elsewhere`.

    Waits for the document store as long as people do: one that hangs keeps its connections, and the driver waits. This
    is the first question of every request, so that none gets further while the store hangs.
    """

    def __init__(
        self,
        *,
        users: AccountRepository,
        admin_token: str | None,
        timeout_s: float,
        web_tokens: WebTokens | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._users = users
        self._web_tokens = web_tokens
        self._elsewhere = elsewhere
        self._timeout_s = timeout_s
        self._admin_hash = token_hash(admin_token) if admin_token else None

    async def authenticate(self, token: str) -> User:
        """Return the user the token was given to.

        Raises:
            AuthenticationError: nobody has this token, or its user may not log in any more.
            TransientError: the document store does not answer in time, or nobody does who may know the token.
        """
        try:
            return await self.user_of_hash(token_hash(token))
        except UnknownTokenError:
            account = None if self._elsewhere is None else await self._elsewhere.account_of(token)
            if account is None:
                raise
        return _active(account).user()

    async def user_of_hash(self, digest: str) -> User:
        """Return the user whose token has this hash. Raises as `authenticate` does.

        Whoever knows a hash has not shown the token: ask for something only its owner has.
        """
        if self._admin_hash is not None and hmac.compare_digest(digest, self._admin_hash):
            return _ADMIN
        grant = await self._in_time(self._users.find_any_by_token_hash(digest, now=utc_now()))
        if grant is None:
            raise UnknownTokenError
        return _active(grant.account).user(grant.scopes)

    async def authenticate_bearer(self, token: str) -> User:
        """Return whom a JSON Web Token was signed for, with the rights it gives. Raises as `authenticate` does.

        That there is such a user is kept, so that they can be shut out; what a token gives holds for the request alone.
        """
        if self._web_tokens is None:
            raise AuthenticationError("Authentication credentials were not provided.")
        signed = await self._web_tokens.read(token)
        _active(await self._in_time(self._account_of(signed.username)))
        return signed.rights.user(signed.username)

    async def _account_of(self, username: str) -> Account | None:
        known = await self._users.find_any_recent(username)
        if known is None:
            known = Account(
                username=username, active=True, superuser=False, proposals=(), origin=Origin.ISSUER, created=utc_now()
            )
            if not await self._users.insert(known):  # by another request, or one of that name is being deleted
                return await self._users.find_any(username)
        return known

    async def _in_time(self, question: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await question
        except TimeoutError:
            raise TransientError("the document store does not answer") from None

    async def user_named(self, username: str) -> User:
        """Return a user as they stand now, without a token of theirs.

        Raises:
            AuthenticationError: there is no such user, or they may not log in any more.
            TransientError: the document store does not answer.
        """
        if username == ADMIN_USERNAME and self._admin_hash is not None:
            return _ADMIN
        return _active(await self._users.find_any(username)).user()


def _active(account: Account | None) -> Account:
    if account is None or not account.active:
        raise AuthenticationError("User inactive or deleted.")
    return account


def token_hash(token: str) -> str:
    """Return the SHA-256 a token is stored under, in hexadecimal. Tokens are random: they need no salt."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
