"""Whether a process that has answered may answer again: only if it is as it was before.

A process that keeps nothing of a request saves the fork for the next one. Nothing is put back: a process that was
changed is ended, and a fresh one takes its place. What is compared is what is known to outlive a call: the state of
the process, of the interpreter and of numpy, and what modules hold that the work might have changed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datalab.processes.interpreter_state import interpreter_state, process_state
from datalab.processes.limits import data_bytes
from datalab.processes.module_state import ModuleState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How long a process goes on: at most for so many answers, and as long as it is as new.

    `packages` are those whose modules the work may change; all they hold is compared, and of the modules they use
    what those hold directly.
    """

    most_answers: int
    most_growth_bytes: int
    packages: tuple[str, ...]


class AsNew:
    """How the process is when it has not answered anything yet."""

    def __init__(self, reuse: Reuse) -> None:
        self._reuse = reuse
        self._answers = 0
        tempfile.gettempdir()  # found out once, and remembered
        self._modules = ModuleState(reuse.packages)
        self._state = {**process_state(), **interpreter_state()}
        self._bytes = data_bytes()

    def difference(self) -> str:
        """Return why this process must not answer again, or an empty text; called after each answer."""
        self._answers += 1
        if self._answers >= self._reuse.most_answers:
            return f"it has answered {self._answers} times"
        _give_memory_back()
        try:
            return self._changed()
        except Exception as error:  # noqa: BLE001 - what cannot even be asked for was changed
            return f"its state cannot be read: {type(error).__name__}: {error}"

    def _changed(self) -> str:
        changed = self._changed_state()
        if changed:
            gc.collect()  # what only a cycle holds, such as an open file, is nobody's any more
            changed = self._changed_state()
        if changed:
            return f"changed: {', '.join(changed)}"
        changed = self._modules.changed()
        if changed:
            return f"changed: {', '.join(changed)}"
        growth = data_bytes() - self._bytes
        if growth > self._reuse.most_growth_bytes:
            gc.collect()
            _give_memory_back()
            growth = data_bytes() - self._bytes
        return f"it has grown by {growth} bytes" if growth > self._reuse.most_growth_bytes else ""

    def _changed_state(self) -> list[str]:
        now = {**process_state(), **interpreter_state()}
        return [name for name, before in self._state.items() if now[name] != before]


def _malloc_trim() -> Callable[[int], Any]:
    """Return the function of glibc that gives free memory back to the system; elsewhere nothing is done."""
    trim: Callable[[int], Any] = (
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None) if sys.platform == "linux" else lambda _: None
    )
    return trim


_trim = _malloc_trim()


def _give_memory_back() -> None:
    """Give free pages back: the next request finds zeros in new memory, not what another one left there."""
    _trim(0)
