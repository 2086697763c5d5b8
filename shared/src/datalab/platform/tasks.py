"""Ending background tasks."""

from __future__ import annotations

import asyncio
from typing import Any

_CANCEL_AGAIN_S = 0.5


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when all have ended; what they raise is not raised here.

    One cancellation is not enough: `asyncio.wait_for`, which the client libraries use, loses one that comes at the
    moment its result does (Python 3.11), and a task that loops would go on for ever. Waiting for the tasks from
    outside, unlike awaiting one, also does not hide that the caller itself is cancelled.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain of it
