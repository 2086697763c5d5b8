"""What a computation asks for meanwhile, and what it may come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from operation_runner.sdk import SkyRegion


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsWanted:
    """The stars of a region, written to a file: the computing process itself reaches no network."""

    region: SkyRegion
    target: Path


class LimitExceededError(Exception):
    """A computation took more time or memory than it may."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
