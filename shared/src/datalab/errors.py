"""Why something did not work, and so what to do about it.

Raise `UsageError` for the user's mistake (never retried, its text is shown) and `TransientError` for the world's
(retried with growing delay, so many times). A `PostponedError` says nothing about the work itself: it is retried for
as long as that lasts. Anything else is our bug: logged with its traceback, shown without internals.
"""

from __future__ import annotations

import errno

from pydantic import ValidationError

#: What a user is told about a bug; the details are in the log under the same correlation id.
UNKNOWN_ERROR_MESSAGE = "An unknown error occurred, contact the developers if this persists."

#: What the operating system says when a disk, or somebody's share of it, is full.
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})


class DatalabError(Exception):
    """A failure whose kind is known. The text is written for the person who has to act on it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(DatalabError):
    """The request or the data cannot work, however often it is tried."""


class NotFoundError(UsageError):
    """What was asked for does not exist, or is not the caller's to see."""


class TransientError(DatalabError):
    """The world failed: a file not there yet, a process killed. The same thing may work later."""


class AwaitedError(TransientError):
    """What the sender says is there is not. It may come a little later; if not, that is the sender's business."""


class PostponedError(TransientError):
    """Now is not the time, and that is not the work's doing: it counts as not tried."""


class OutageError(PostponedError):
    """A server the work needs is away, slow, full, or refuses us."""


def explain_validation(error: ValidationError) -> str:
    """Return the first thing that is wrong with data from outside, and where; nothing of the data itself."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{first['msg']} (at {where})" if where else first["msg"]
