"""Waiting for what announces itself to nobody: other processes, files, servers."""

import asyncio
import contextlib
import inspect

#: What has not come by then never comes: no test measures the machine. Below `faulthandler_timeout` in pyproject.toml.
PATIENCE_S = 160.0


async def until(condition, *, within_s=PATIENCE_S):
    """Ask `condition()`, which may be a coroutine function, until its answer is true; return that.

    TimeoutError, with the condition and its last answer, if that takes too long.
    """
    answer = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s) as limit:
            while not limit.expired():  # what was asked may have lost the cancellation: see `datalab.platform.tasks`
                answer = condition()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(0.01)
    raise TimeoutError(f"not within {within_s:g} s: {_told(condition)}; last answer {answer!r}")


def _told(condition):
    """Return the source of a condition, for whoever reads that it never came true."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
