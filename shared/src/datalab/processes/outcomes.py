"""What became of work done in another process, on its way to whoever asked for it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from datalab.errors import DISK_FULL_ERRNOS, OutageError, TransientError, UsageError


class MachineError(TransientError):
    """The operating system refused: the disk fails, the limit of open files is reached."""


class DiskFullError(OutageError):
    """The disk is full, which says nothing about the work."""


class WorkFailedError(RuntimeError):
    """The work raised something it should not have, our bug; the text is its traceback."""


class ProcessLostError(Exception):
    """The process ended before it answered; without an exit code, if none could be started."""

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class TimeLimitError(ProcessLostError):
    """The process was ended because it took too long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the work returned, or why it did not."""

    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        """Return the value.

        Raises `UsageError`, `TransientError` (also `MachineError` and `DiskFullError`), `MemoryError` and
        `WorkFailedError`.
        """
        if self.error is not None:
            raise self.error
        return self.value


def outcome_of(work: Callable[..., Any], *arguments: Any) -> Outcome:
    """Do some work and return what became of it, whatever it raises."""
    try:
        return Outcome(work(*arguments))
    except Exception as error:  # noqa: BLE001 - whoever asked must not wait in vain
        return Outcome(error=_told(error))


def send_outcome(pipe: Connection, outcome: Outcome) -> None:
    """Send what became of some work; what cannot be sent is a bug, and told as one."""
    try:
        pipe.send(outcome)
    except Exception as error:  # noqa: BLE001 - as above
        pipe.send(Outcome(error=_told(error)))


def _told(error: Exception) -> Exception:
    """Return an error as one that can be pickled, and needs nothing loaded to be understood."""
    match error:
        case UsageError():
            return UsageError(error.message)
        case MachineError():  # of a process that helped
            return error
        case TransientError():
            return type(error)(error.message)
        case MemoryError():
            return MemoryError()
        case OSError(errno=int(number), strerror=str(reason)):  # others are not from the operating system
            return (DiskFullError if number in DISK_FULL_ERRNOS else MachineError)(reason)
        case _:
            return WorkFailedError("".join(traceback.format_exception(error)))
