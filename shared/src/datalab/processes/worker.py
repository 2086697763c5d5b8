"""A process that answers one request after the other, from both sides: what it does itself, and how it is held.

What it does is named, `"package.module:function"`, and found in the process itself: whoever starts it need not load
what the work needs. The function gets a `Parent` and the arguments it was started with, and returns the function that
answers a request.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Self

from datalab.processes.forkserver import end_process, let_server_end, start_process
from datalab.processes.limits import adopt_orphans, die_with_parent
from datalab.processes.outcomes import Outcome, ProcessLostError, outcome_of, send_outcome
from datalab.processes.reuse import AsNew, Reuse

#: A process compares itself with what it was in a thousandth of this.
_COMPARISON_S = 5.0


class Parent:
    """Who asked, as the work sees it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def tell(self, message: Any) -> None:
        """Say something on the way to the answer."""
        with suppress(OSError):  # nobody listens any more, and this process is about to be ended
            self._pipe.send(message)

    def ask(self, message: Any) -> Any:
        """Say something and wait for the reply. Raises what `Outcome.result` does."""
        self._pipe.send(message)
        return self._pipe.recv().result()


class WorkerProcess:
    """A process that answers requests for as long as it lives, and our end of the pipe to it.

    One thread asks and ends it; `kill` and `reply` may come from any other.
    """

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process
        self._pipe = pipe
        self._ended = False
        self._turn = threading.Lock()

    @classmethod
    def start(cls, target: str, *arguments: Any, reuse: Reuse | None) -> Self:
        """Fork one that does what is named. Raises `ProcessLostError`."""
        ours, theirs = multiprocessing.Pipe()
        with theirs:
            try:
                return cls(start_process(_serve, theirs, target, arguments, reuse), ours)
            except (EOFError, OSError) as error:
                ours.close()
                raise ProcessLostError("no process can be started") from error

    def has_died(self) -> bool:
        """Tell whether a process that waits for a request will not answer it."""
        return self._pipe.poll()  # it has nothing to say; there is something to read when its end was closed

    def ask(self, request: Any, on_message: Callable[[Any], None]) -> Outcome:
        """Wait for the answer. Raises `ProcessLostError`, and has then ended what is left of the process."""
        try:
            self._pipe.send(request)
            while not isinstance(said := self._pipe.recv(), Outcome):
                on_message(said)
        except (EOFError, OSError) as error:
            exit_code = self.end()
            raise ProcessLostError(f"the process ended with {exit_code}", exit_code=exit_code) from error
        except BaseException:  # a request or an answer that cannot be pickled
            self.end()
            raise
        return said

    def why_spent(self) -> str:
        """Wait until a process that has answered knows whether it is as new; return why it is not, or an empty text."""
        try:
            if self._pipe.poll(_COMPARISON_S):
                return str(self._pipe.recv())
        except (EOFError, OSError):
            return "it ended"
        return "it does not say whether it was changed"

    def reply(self, outcome: Outcome) -> None:
        """Answer a question of the process."""
        with self._turn, suppress(OSError):  # it died meanwhile
            if not self._ended:
                self._pipe.send(outcome)

    def kill(self) -> None:
        """Kill it and its children, whatever they are doing; whoever waits for its answer hears of it."""
        with self._turn:
            if not self._ended:
                self._kill()

    def end(self) -> int | None:
        """Kill it and its children, and wait until it is gone; return its exit code."""
        with self._turn:
            self._kill()
            self._ended = True
            self._pipe.close()
        return end_process(self._process)

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # it has no group of its own yet
            os.kill(self.pid, signal.SIGKILL)


def _serve(pipe: Connection, target: str, arguments: tuple[Any, ...], reuse: Reuse | None, *, parent: int) -> None:
    """Be the process: answer until nobody asks any more."""
    os.setsid()  # a group of our own: we are ended together with our children, and a Ctrl-C is not for us
    let_server_end()
    die_with_parent(parent)
    # Whatever stops the program, it ends this process itself, when no request is in hand.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    # What the server loaded stays as it is: looking through it for garbage would copy all of its memory.
    gc.freeze()
    answer = _named(target)(Parent(pipe), *arguments)
    with suppress(EOFError, OSError):
        if reuse is None:
            while True:
                send_outcome(pipe, outcome_of(answer, pipe.recv()))
        _answer_as_new(pipe, answer, reuse)


def _answer_as_new(pipe: Connection, answer: Callable[[Any], Any], reuse: Reuse) -> None:
    """Answer, each time in a context of its own; then say whether the process is what it was: nobody waits for that."""
    adopt_orphans()  # children of children that a request leaves behind are found, too
    as_new = AsNew(reuse)
    while True:
        outcome = copy_context().run(outcome_of, answer, pipe.recv())
        send_outcome(pipe, outcome)
        pipe.send("it failed" if outcome.error else as_new.difference())


def _named(target: str) -> Any:
    module, _, function = target.partition(":")
    return getattr(import_module(module), function)
