"""Work that one of all processes does: that which holds the lease of its name.

Two may believe for a moment to be the one: the first was paused, and its lease expired. So whoever works confirms the
lease before each step, and what a step writes must hold only if it was not done before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datalab.errors import TransientError
from datalab.platform.bus.leases import Lease, LeaseKeeper, renewed
from datalab.platform.logging import get_logger

_log = get_logger(__name__)

#: Raises `TransientError` if somebody else is the one by now.
Confirm = Callable[[], Awaitable[None]]


class Election:
    """Register `turn` as `Periodic` work, more often than the lease expires, and this as a part, which hands over.

    Whoever is killed is followed by another when the lease has expired.
    """

    def __init__(self, leases: LeaseKeeper, name: str, *, work: Callable[[Confirm], Awaitable[None]]) -> None:
        self._leases = leases
        self._name = name
        self._work = work
        self._lease: Lease | None = None

    async def start(self) -> None:
        """Nobody is elected before the first turn."""

    async def stop(self) -> None:
        """Let another be the one at once."""
        if self._lease is not None:
            await self._lease.release()
            self._lease = None

    async def turn(self) -> None:
        """Be the one if nobody is, and do the work if it is us. Raises `TransientError`."""
        if self._lease is None:
            self._lease = await self._leases.take(f"elected.{self._name}")
            if self._lease is None:
                return
            _log.info("election.won", work=self._name)
        lease = self._lease
        try:
            await lease.renew()
        except TransientError:
            self._lease = None  # expired, or somebody else's: the next turn asks again
            raise
        async with renewed(lease, every_s=self._leases.renew_every_s):
            await self._work(lease.confirm)
