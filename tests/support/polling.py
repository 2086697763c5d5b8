"""Asking a server again until it gives the answer."""

import asyncio


async def until(question, *, within_s=10.0):
    """Await `question()` until its answer is true, and return that; TimeoutError if it is not in time."""
    async with asyncio.timeout(within_s):
        while True:
            if answer := await question():
                return answer
            await asyncio.sleep(0.02)
