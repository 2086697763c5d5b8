"""What a password is known by: Argon2id, as strong and as dear as OWASP asks for.

References:
    RFC 9106 (Argon2); OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from session_api.web.failures import FieldError, TooManyError

#: Each takes 19 MiB and some 30 ms of a core.
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 40
SHORTEST: Final = 8
#: Longer ones are no safer, and each byte of them is read.
LONGEST: Final = 256

T = TypeVar("T")


class PasswordHashes:
    """Makes and compares them, beside the event loop and few at once."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys = ""

    async def start(self) -> None:
        self._nobodys = await self._beside(lambda: self._hasher.hash(secrets.token_hex()))

    async def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def of(self, password: str) -> str:
        """Return what a password is kept as. Raises `TooManyError`."""
        return await self._beside(lambda: self._hasher.hash(_canonical(password)))

    async def is_right(self, password: str, known: str | None) -> bool:
        """Tell whether a password is the one that is known; it takes as long if none is. Raises `TooManyError`."""
        compared = self._nobodys if known is None else known

        def compare() -> bool:
            try:
                return self._hasher.verify(compared, _canonical(password))
            except (VerificationError, InvalidHashError):
                return False

        return await self._beside(compare) and known is not None

    def is_dated(self, known: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    def demand_room(self) -> None:
        """Raise `TooManyError` while as many are waiting as may."""
        if self._waiting >= _MOST_WAITING:
            raise TooManyError("many passwords are being checked", retry_after_s=2)

    async def _beside(self, work: Callable[[], T]) -> T:
        self.demand_room()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def check_password(password: str, *, username: str, field: str = "password") -> None:
    """Raise `FieldError` for a password nobody should have, with what would be right."""
    if not SHORTEST <= len(_canonical(password)) <= LONGEST:
        raise FieldError({field: [f"A password has {SHORTEST} to {LONGEST} characters."]})
    if _canonical(password).casefold() == username.casefold():
        raise FieldError({field: ["The password is the name of its user."]})


def _canonical(password: str) -> str:
    """Return a password as every keyboard writes it (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFC", password)
