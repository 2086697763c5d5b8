"""What a computation may come to."""

from __future__ import annotations


class LimitExceededError(Exception):
    """A computation took more time or memory than it may."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
