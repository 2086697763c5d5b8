"""Logging in with a password, and having one."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

from datalab.events.envelope import utc_now
from datalab.platform.allowance import Allowance
from datalab.platform.logging import get_logger
from session_api.accounts.authentication import Authenticator, token_hash
from session_api.accounts.login_codes import LoginCodeRepository
from session_api.accounts.login_tries import LoginTriesRepository
from session_api.accounts.model import Account, Origin, Password, Purpose, Token
from session_api.accounts.passwords import PasswordHashes, check_password
from session_api.accounts.repository import AccountRepository
from session_api.accounts.service import new_token
from session_api.web.failures import (
    AuthenticationError,
    FieldError,
    ForbiddenError,
    RefusedError,
    TooManyError,
    UserNotFoundError,
)
from session_api.web.user import User
from session_api.web.write_limits import network_of

_log = get_logger(__name__)

_MINUTE_S: Final = 60.0
#: Browsers and notebooks of one person; the oldest of more is given up.
_MOST_LOGINS: Final = 20
_UNABLE: Final = "Unable to log in with provided credentials."


class LockedError(AuthenticationError):
    """Too often a wrong password was said under this name; in `retry_after_s` seconds it may be tried again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many failed logins under this name: it can be tried again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class LoginService:
    """Gives a token for a password."""

    def __init__(
        self,
        *,
        users: AccountRepository,
        authenticator: Authenticator,
        tries: LoginTriesRepository,
        hashes: PasswordHashes,
        codes: LoginCodeRepository,
        address_tries_per_minute: int,
        lifetime: timedelta,
    ) -> None:
        self._users = users
        self._authenticator = authenticator
        self._tries = tries
        self._hashes = hashes
        self._codes = codes
        self._addresses = Allowance(per_s=address_tries_per_minute / _MINUTE_S, burst_s=_MINUTE_S)
        self.lifetime = lifetime

    async def log_in(self, username: str, password: str, *, address: str) -> str:
        """Return a token of the user; if they gave one in the password's place, that.

        Raises:
            AuthenticationError: it is not their password, or nobody has this name: nobody is told which, nor by the
                time it takes. `LockedError` when it was wrong too often.
            TooManyError: the address has tried too often.
        """
        self._take_try(address)
        if await self._is_token_of(username, password):
            return password
        account = await self._users.find_any(username)
        known = await self._known_by(username, password)
        token = await self._new_login(known) if known is not None and _may_log_in(account) else None
        if token is None:
            _log.info("accounts.login_refused", address=address)
            raise AuthenticationError(_UNABLE)
        _log.info("accounts.logged_in", user=username, address=address)
        return token

    async def new_code(self, username: str) -> str:
        """Return a code that logs a user in once.

        Raises `UserNotFoundError`, `RefusedError` for somebody who is shut out, or known elsewhere.
        """
        account = await self._users.find_any(username)
        if account is None:
            raise UserNotFoundError
        if not _may_log_in(account):
            raise RefusedError(f"{username} cannot log in here.")
        return await self._codes.new(username, now=utc_now())

    async def log_in_by_code(self, code: str, *, address: str) -> str:
        """Return a token of the user whom a code was made for. Raises `AuthenticationError`, `TooManyError`."""
        self._take_try(address)
        username = await self._codes.take(code, now=utc_now())
        if username is None or not _may_log_in(await self._users.find_any(username)):
            _log.info("accounts.login_refused", address=address)
            raise AuthenticationError("The link was used before, or is too old: ask for another one.")
        token = await self._login_token(username)
        await self._users.trim_logins(username, most=_MOST_LOGINS)
        _log.info("accounts.logged_in", user=username, address=address)
        return token

    async def log_in_by_token(self, token: str, *, address: str) -> str:
        """Return a token that somebody was given, if it is good. Raises `AuthenticationError`, `TooManyError`."""
        self._take_try(address)
        await self._authenticator.authenticate(token)
        return token

    async def log_out(self, token: str) -> None:
        """Make a token invalid that somebody has by logging in; one that they were given stays as it is."""
        await self._users.remove_login(token_hash(token))

    async def set_password(self, username: str, password: str) -> None:
        """Give a user a password, for a superuser. Who is logged in with the former one is not any more.

        Raises `UserNotFoundError`, `FieldError`, `RefusedError` for somebody who is known elsewhere.
        """
        account = await self._users.find_any(username)
        if account is None:
            raise UserNotFoundError
        await self._keep(account, password)

    async def change_own(self, caller: User, *, current: str | None, password: str, address: str) -> None:
        """Give the caller another password; the current one is needed, if there is one. Raises likewise."""
        if caller.scopes is not None:
            raise ForbiddenError
        account = await self._users.find_any(caller.username)
        if account is None:
            raise RefusedError("The operator's own token has no password.")
        if await self._users.password_of(caller.username) is not None:
            self._take_try(address)
            if current is None or await self._known_by(caller.username, current) is None:
                raise FieldError({"current_password": ["This is not the password."]})
        await self._keep(account, password)

    def _take_try(self, address: str) -> None:
        network = network_of(address)
        if not self._addresses.take(network):
            wait_s = max(1, math.ceil(self._addresses.wait_s(network)))
            raise TooManyError("too many logins from your address", retry_after_s=wait_s)

    async def _is_token_of(self, username: str, token: str) -> bool:
        """Tell whether what was said is a token of ours; nobody else is asked, as it may be a password."""
        try:
            user = await self._authenticator.user_of_hash(token_hash(token))
        except AuthenticationError:
            return False
        return user.username == username

    async def _known_by(self, username: str, password: str) -> Password | None:
        """Return what the user's password is known by, None for any other one."""
        self._hashes.demand_room()  # what is not compared is no try: others would have the name locked
        locked_s = await self._tries.begin(username, now=utc_now())
        if locked_s:
            raise LockedError(locked_s)
        known = await self._users.password_of(username)
        is_right = await self._hashes.is_right(password, None if known is None else known.hash)
        if known is None or not is_right:
            return None
        await self._tries.forget(username)
        if self._hashes.is_dated(known.hash):
            renewed = known.model_copy(update={"hash": await self._hashes.of(password)})
            await self._users.renew_password(known, renewed)
        return known

    async def _keep(self, account: Account, password: str) -> None:
        if account.origin is not Origin.HERE:
            raise RefusedError(f"{account.username} logs in elsewhere, and has no password here.")
        check_password(password, username=account.username)
        kept = Password(username=account.username, hash=await self._hashes.of(password), changed=utc_now())
        await self._users.keep_password(kept)
        await self._users.remove_token_hashes(account.username, Purpose.LOGIN)
        await self._tries.forget(account.username)
        _log.info("accounts.password_set", user=account.username)

    async def _new_login(self, known: Password) -> str | None:
        """Return a new token, None if the user has got another password meanwhile.

        Who sets a password stores it, and then takes the tokens away: it is seen here, or this one is among them.
        """
        username = known.username
        token = await self._login_token(username)
        present = await self._users.password_of(username)
        if present is None or present.changed != known.changed:
            await self._users.remove_token_hash(token_hash(token))
            return None
        await self._users.trim_logins(username, most=_MOST_LOGINS)
        return token

    async def _login_token(self, username: str) -> str:
        token, now = new_token(), utc_now()
        await self._users.add_token(
            Token(
                token_hash=token_hash(token),
                username=username,
                created=now,
                purpose=Purpose.LOGIN,
                expires_at=now + self.lifetime,
            )
        )
        return token


def _may_log_in(account: Account | None) -> bool:
    return account is not None and account.active and account.origin is Origin.HERE
