"""Waiting for what announces itself to nobody: other processes, files, servers."""

import asyncio
import inspect


async def until(condition, *, within_s=30.0):
    """Ask `condition()`, which may be a coroutine function, until its answer is true; return that.

    TimeoutError, with the condition and its last answer, if that takes too long.
    """
    answer = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                answer = condition()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"not within {within_s:g} s: {_told(condition)}; last answer {answer!r}") from None


def _told(condition):
    """Return the source of a condition, for whoever reads that it never came true."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
