"""Ctrl-C and its relatives, turned into an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

#: Ctrl-C, a polite `kill`, a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stopped_by_signal() -> Iterator[list[signal.Signals]]:
    """Cancel the block when a stop signal arrives, and leave it quietly. Main thread only.

    A second signal cancels again: a supervisor that waits for its children in peace then kills them.

    Yields:
        The signals received so far.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    except asyncio.CancelledError:
        for _ in received:
            remaining = task.uncancel()
        if not received or remaining:
            raise  # somebody else wants this task to end
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
