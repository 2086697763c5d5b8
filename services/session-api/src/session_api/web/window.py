"""A part of a list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: at most `limit` entries after the first `offset`."""

    limit: int
    offset: int
