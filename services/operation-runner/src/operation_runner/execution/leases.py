"""Single flight: at any time at most one runner computes a result key.

A lease is an entry of a key-value bucket that expires unless renewed. Its revision is the fencing token: whoever lost
the lease cannot confirm it any more, and so never completes a result somebody else is computing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats.js.errors
from nats.js.kv import KeyValue

from datalab.errors import PostponedError, TransientError
from datalab.events.topology import LEASES
from datalab.platform.bus.errors import BUS_ERRORS, bus_errors
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

_COMPUTING = b"computing"
#: Left behind on success until it expires: who missed the result a moment ago knows to look again.
_DONE = b"done"


class KeyValueLease:
    """A lease in hand."""

    def __init__(self, bucket: KeyValue, key: str, revision: int) -> None:
        self._bucket = bucket
        self._key = key
        self._revision = revision
        self._turn = asyncio.Lock()

    async def confirm(self) -> None:
        """Renew the lease. Raises `TransientError` if it is lost or the bus is away."""
        await self._write(_COMPUTING)

    async def complete(self) -> None:
        """Leave word that the result exists."""
        await self._write(_DONE)

    async def release(self) -> None:
        """Let somebody else compute the key at once."""
        async with self._turn:
            await self._bucket.delete(self._key, last=self._revision)

    async def _write(self, state: bytes) -> None:
        async with self._turn:
            with bus_errors("the lease cannot be renewed"):
                try:
                    self._revision = await self._bucket.update(self._key, state, last=self._revision)
                except nats.js.errors.KeyWrongLastSequenceError as error:
                    raise TransientError("another runner has taken over this computation") from error


class KeyValueLeaseKeeper:
    """Leases in a NATS key-value bucket."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]], *, ttl_s: float = LEASES.ttl_s or 20.0) -> None:
        self._open_bucket = bucket
        self._renew_every_s = ttl_s / 4

    async def start(self) -> None:
        """Open the bucket. Raises `TransientError`."""
        self._bucket = await self._open_bucket()

    async def stop(self) -> None:
        """Leases in hand were given up by their holders."""

    @asynccontextmanager
    async def hold(self, result_key: str) -> AsyncIterator[KeyValueLease | None]:
        """Take the right to compute a key; None if somebody completed it a moment ago.

        Raises `PostponedError` while somebody else computes it: whoever waited here would take a slot from others.
        """
        lease = await self._acquire(result_key)
        if lease is None:
            yield None
            return
        renewing = asyncio.create_task(self._renew(lease))
        try:
            yield lease
        except BaseException:
            await end_tasks(renewing)
            with suppress(*BUS_ERRORS):  # it expires by itself
                await lease.release()
            raise
        await end_tasks(renewing)
        with suppress(TransientError):
            await lease.complete()

    async def _acquire(self, key: str) -> KeyValueLease | None:
        while True:
            with bus_errors("no lease can be had"):
                try:
                    return KeyValueLease(self._bucket, key, await self._bucket.create(key, _COMPUTING))
                except nats.js.errors.KeyWrongLastSequenceError:
                    if await self._completed(key):
                        return None
                    raise PostponedError("the same result is being computed for another operation") from None
                except nats.js.errors.KeyNotFoundError:  # it expired between the two questions `create` asks
                    continue

    async def _completed(self, key: str) -> bool:
        with bus_errors("the lease cannot be read"):
            try:
                return (await self._bucket.get(key)).value == _DONE
            except nats.js.errors.KeyNotFoundError:
                return False

    async def _renew(self, lease: KeyValueLease) -> None:
        while True:
            await asyncio.sleep(self._renew_every_s)
            try:
                await lease.confirm()
            except TransientError as error:
                _log.warning("lease.not_renewed", reason=error.message)
