"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Whoever sent a valid token."""

    username: str
    superuser: bool = False
    proposals: frozenset[str] = frozenset()
