"""The keys of whoever signs JSON Web Tokens, as they publish them.

References:
    RFC 7517 (JSON Web Key), section 5: a key set.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

import httpx
from jwt import PyJWK, PyJWTError

from datalab.errors import TransientError
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

ALGORITHM: Final = "RS256"
#: NIST SP 800-131A; RFC 7518, section 3.3, asks for the same.
_FEWEST_BITS: Final = 2048
_LONGEST_ID: Final = 200
_LARGEST_SET_BYTES: Final = 256 * 1024
_MOST_KEYS: Final = 100
#: So long after they should have been read again, keys still count while the issuer does not answer, in seconds.
_GRACE_S: Final = 3600.0


class SigningKeys:
    """Reads the set again when it is `refresh_s` old, and when a key is asked for that is not in it.

    However many unknown keys are asked for, the issuer is asked once in `retry_s`, by one request for all who wait.
    A key that is no longer published counts no longer than `refresh_s`. `transport` is for tests.
    """

    def __init__(
        self,
        *,
        url: str,
        timeout_s: float,
        refresh_s: float,
        retry_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._url = url
        self._refresh_s = refresh_s
        self._retry_s = retry_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._client = httpx.AsyncClient(timeout=timeout_s, transport=transport)
        self._keys: Mapping[str, PyJWK] = {}
        self._read_at: float | None = None
        self._asked_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Nothing is read before somebody shows a token."""

    async def stop(self) -> None:
        if self._reading is not None:
            await end_tasks(self._reading)
        await self._client.aclose()

    async def find(self, key_id: str) -> PyJWK | None:
        """Return a key that is published now, None if none has this id.

        Raises `TransientError` while the issuer does not say which keys it has.
        """
        if not self._is_younger(self._refresh_s) or key_id not in self._keys:
            await self._read_again()
        if not self._is_younger(self._refresh_s + _GRACE_S):
            raise TransientError("the keys tokens are signed with cannot be read from their issuer")
        return self._keys.get(key_id)

    def _is_younger(self, age_s: float) -> bool:
        return self._read_at is not None and self._clock() - self._read_at < age_s

    async def _read_again(self) -> None:
        if self._reading is None or self._reading.done():
            if self._asked_at is not None and self._clock() - self._asked_at < self._retry_s:
                return
            self._asked_at = self._clock()
            self._reading = asyncio.create_task(self._read())
        # Who asked first may leave: the others wait for the same answer.
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        began = self._clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                keys = usable_keys(await self._fetched())
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            _log.warning("accounts.signing_keys_unreadable", url=self._url, reason=type(error).__name__)
            return
        self._keys, self._read_at = keys, began

    async def _fetched(self) -> Any:
        """Return what the issuer answers. Raises `httpx.HTTPError`, `ValueError`."""
        async with self._client.stream("GET", self._url) as reply:
            reply.raise_for_status()
            body = bytearray()
            async for part in reply.aiter_bytes():
                body += part
                if len(body) > _LARGEST_SET_BYTES:
                    raise ValueError("too large")
        return json.loads(bytes(body))


def usable_keys(key_set: Any) -> dict[str, PyJWK]:
    """Return the keys of a set that sign with RS256, by their ids. Raises `ValueError` for what is no set.

    What cannot be used is left out: issuers publish keys for other purposes in the same set.
    """
    published = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(published, list):
        raise ValueError("no key set")  # noqa: TRY004 - of a type it is, of a form it is not
    usable: dict[str, PyJWK] = {}
    for each in published[:_MOST_KEYS]:
        if not isinstance(each, dict) or not _is_for_signatures(each):
            continue
        try:
            key = PyJWK(each, algorithm=ALGORITHM)
            strong = key.key.key_size >= _FEWEST_BITS
        except (PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
            continue
        if strong:
            usable.setdefault(each["kid"], key)
    return usable


def _is_for_signatures(key: Mapping[str, Any]) -> bool:
    key_id = key.get("kid")
    return (
        isinstance(key_id, str)
        and 0 < len(key_id) <= _LONGEST_ID
        and key.get("kty") == "RSA"
        and key.get("use") in {None, "sig"}
        and key.get("alg") in {None, ALGORITHM}
        and "d" not in key  # a private key that is published is nobody's any more
    )
