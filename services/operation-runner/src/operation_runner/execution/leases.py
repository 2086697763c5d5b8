"""Single flight: at any time at most one runner computes a result key.

Whoever lost the lease of a key cannot confirm it any more, and so never completes a result somebody else is computing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from datalab.errors import PostponedError, TransientError
from datalab.platform.bus.leases import Lease, LeaseKeeper, renewed


class ResultLeases:
    """The leases of result keys, renewed for as long as they are held."""

    def __init__(self, keeper: LeaseKeeper) -> None:
        self._keeper = keeper

    @asynccontextmanager
    async def hold(self, result_key: str) -> AsyncIterator[Lease | None]:
        """Take the right to compute a key; None if somebody completed it a moment ago.

        Raises `PostponedError` while somebody else computes it: whoever waited here would take a slot from others.
        """
        lease = await self._keeper.take(result_key)
        if lease is None:
            # Word that it is done stays for a while: who missed the result a moment ago knows to look again.
            if not await self._keeper.is_done(result_key):
                raise PostponedError("the same result is being computed for another operation")
            yield None
            return
        try:
            async with renewed(lease, every_s=self._keeper.renew_every_s):
                yield lease
        except BaseException:
            await lease.release()
            raise
        with suppress(TransientError):
            await lease.complete()
