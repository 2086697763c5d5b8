"""Has files made: each by one runner at a time, and to its end, however long those wait who asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from datalab.errors import DatalabError, TransientError
from datalab.platform.bus.leases import Lease, renewed
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

#: How often it is looked whether another runner is done.
_LOOK_S = 0.25

#: Tells how much of a file is made, 0 to 1.
Progress = Callable[[float], None]
#: Makes a file, and stores it under its key when it is complete.
Make = Callable[[Progress], Awaitable[None]]


class UnfinishedError(TransientError):
    """It is being made, and goes on: whoever asks again finds it."""


class StoredFiles(Protocol):
    async def has(self, key: str) -> bool: ...


class Leases(Protocol):
    """As much of `LeaseKeeper` as is needed here."""

    renew_every_s: float

    async def take(self, key: str) -> Lease | None: ...

    async def note(self, key: str) -> str: ...


class Making:
    """What is being made here. A key always stands for the same content, so that made twice it is the same."""

    def __init__(self, *, files: StoredFiles, leases: Leases) -> None:
        self._files = files
        self._leases = leases
        self._under_way: dict[str, tuple[asyncio.Task[None], Lease]] = {}

    async def start(self) -> None:
        """Nothing begins before it is asked for."""

    async def stop(self) -> None:
        """Give up what is being made: another runner begins anew when it is asked for again."""
        await end_tasks(*(task for task, _ in self._under_way.values()))

    async def made(self, key: str, make: Make, *, until: float) -> None:
        """Have a file stored, at the latest at a time of the event loop's clock.

        Raises `UnfinishedError` when it takes longer, and what `make` does.
        """
        loop = asyncio.get_running_loop()
        while True:
            if key not in self._under_way:
                if await self._files.has(key):
                    return None
                await self._begin(key, make)
            here = self._under_way.get(key)
            if here is not None:
                task, lease = here
                done, _ = await asyncio.wait([task], timeout=max(0.0, until - loop.time()))
                if done:
                    return task.result()
                raise UnfinishedError(_said(lease.note))
            if loop.time() >= until:
                raise UnfinishedError(_said(await self._leases.note(key)))
            await asyncio.sleep(_LOOK_S)

    async def _begin(self, key: str, make: Make) -> None:
        """Begin, unless another runner has, or had a moment ago."""
        lease = await self._leases.take(key)
        if lease is None:
            return
        task = asyncio.create_task(self._make(key, make, lease))
        self._under_way[key] = task, lease
        task.add_done_callback(lambda done: self._end(key, done))

    def _end(self, key: str, task: asyncio.Task[None]) -> None:
        del self._under_way[key]
        if not task.cancelled() and task.exception() is not None:  # which is then known, also if nobody waits any more
            error = task.exception()
            _log.info("download.not_made", key=key, reason=error.message if isinstance(error, DatalabError) else "bug")

    async def _make(self, key: str, make: Make, lease: Lease) -> None:
        def progress(fraction: float) -> None:
            lease.note = f"{max(0.0, min(fraction, 1.0)):.0%}"

        try:
            async with renewed(lease, every_s=self._leases.renew_every_s):
                if not await self._files.has(key):  # another runner may have been done just before the lease was ours
                    await make(progress)
        finally:
            await lease.release()


def _said(note: str) -> str:
    return f"it is still being made ({note} done)" if note else "it is still being made"
