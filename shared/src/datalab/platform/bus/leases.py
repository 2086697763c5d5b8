"""Leases: at any time at most one process has the right to something that has a key.

A lease is an entry of a key-value bucket that expires unless renewed. Its revision is the fencing token: whoever lost
the lease cannot confirm it any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats.js.errors
from nats.js.kv import KeyValue

from datalab.errors import TransientError
from datalab.platform.bus.errors import BUS_ERRORS, bus_errors
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

_HELD = b"held"
#: Left behind by who has done what the lease was for, until it expires.
_DONE = b"done"
#: Counts on while the process is paused and, where the system has such a clock, while the machine is.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def running_time() -> float:
    """Return seconds of a clock that is never set back and counts pauses."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """A lease in hand."""

    def __init__(
        self, bucket: KeyValue, key: str, revision: int, *, fresh_s: float, taken_at: float, clock: Callable[[], float]
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._revision = revision
        self._fresh_s = fresh_s
        self._clock = clock
        #: What others are told about it, from the next renewal on.
        self.note = ""
        #: When the last write was begun, which the server has counted from that moment on at the earliest.
        self._written_at = taken_at
        self._turn = asyncio.Lock()

    async def renew(self) -> None:
        """Have it live on for the whole time from now. Raises `TransientError` if it is lost or the bus is away."""
        await self._write(b" ".join((_HELD, self.note.encode())) if self.note else _HELD)

    async def confirm(self) -> None:
        """Make sure that it is ours: renew it, unless that was done a moment ago. Raises as `renew`."""
        if self._clock() - self._written_at > self._fresh_s:
            await self.renew()

    async def complete(self) -> None:
        """Leave word that what it was for is done."""
        await self._write(_DONE)

    async def release(self) -> None:
        """Let somebody else have it at once; should that fail, it expires by itself."""
        with suppress(*BUS_ERRORS):
            async with self._turn:
                await self._bucket.delete(self._key, last=self._revision)

    async def _write(self, state: bytes) -> None:
        async with self._turn:
            began = self._clock()
            with bus_errors("the lease cannot be renewed"):
                try:
                    self._revision = await self._bucket.update(self._key, state, last=self._revision)
                except nats.js.errors.KeyWrongLastSequenceError as error:
                    raise TransientError("somebody else has taken over") from error
            self._written_at = began


@asynccontextmanager
async def renewed(lease: Lease, *, every_s: float) -> AsyncIterator[None]:
    """Renew a lease for as long as the block lasts, however often that fails meanwhile."""
    renewing = asyncio.create_task(_renew(lease, every_s))
    try:
        yield
    finally:
        await end_tasks(renewing)


async def _renew(lease: Lease, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await lease.renew()
        except TransientError as error:
            _log.warning("lease.not_renewed", reason=error.message)


class LeaseKeeper:
    """Leases in a bucket whose entries live for `ttl_s` seconds."""

    def __init__(
        self, bucket: Callable[[], Awaitable[KeyValue]], *, ttl_s: float, clock: Callable[[], float] = running_time
    ) -> None:
        self._open_bucket = bucket
        self._bucket: KeyValue | None = None
        self._clock = clock
        #: How often a lease in hand is to be renewed.
        self.renew_every_s = ttl_s / 4

    async def start(self) -> None:
        """Open the bucket. Raises `TransientError`."""
        await self._opened()

    async def stop(self) -> None:
        """Leases in hand were given up by their holders."""

    async def take(self, key: str) -> Lease | None:
        """Take the lease of a key; None if somebody has it, or had it a moment ago. Raises `TransientError`."""
        bucket = await self._opened()
        while True:
            taken_at = self._clock()
            with bus_errors("no lease can be had"):
                try:
                    revision = await bucket.create(key, _HELD)
                except nats.js.errors.KeyWrongLastSequenceError:
                    return None
                except nats.js.errors.KeyNotFoundError:  # it expired between the two questions `create` asks
                    continue
            return Lease(bucket, key, revision, fresh_s=self.renew_every_s, taken_at=taken_at, clock=self._clock)

    async def is_done(self, key: str) -> bool:
        """Tell whether who had the lease has completed what it was for. Raises `TransientError`."""
        bucket = await self._opened()
        with bus_errors("the lease cannot be read"):
            try:
                return (await bucket.get(key)).value == _DONE
            except nats.js.errors.KeyNotFoundError:
                return False

    async def note(self, key: str) -> str:
        """Return what the holder of a lease says about it, empty if that is nothing. Raises `TransientError`."""
        bucket = await self._opened()
        with bus_errors("the lease cannot be read"):
            try:
                value = (await bucket.get(key)).value or b""
            except nats.js.errors.KeyNotFoundError:
                return ""
        return value.removeprefix(_HELD).strip().decode() if value.startswith(_HELD) else ""

    async def _opened(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._open_bucket()
        return self._bucket
