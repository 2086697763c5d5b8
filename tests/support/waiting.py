"""Waiting for something that announces itself to nobody."""

import asyncio


async def eventually(condition, *, within_s=10.0):
    """Return once `condition()` is true; TimeoutError if it is not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - processes and files have no event to wait for
            await asyncio.sleep(0.01)
