"""Ctrl-C and its relatives, turned into an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine

#: Ctrl-C, a polite `kill`, a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_until_signalled(main: Coroutine[object, object, None]) -> signal.Signals | None:
    """Run `main` to its end, or cancel it when a stop signal arrives. Must be on the main thread.

    A second signal cancels again: `main`, stopping its children in peace, then kills them.

    Returns:
        The signal that ended it, None if it ended by itself.
    """
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    task = loop.create_task(main)

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
    return received[0] if received else None
