"""The filter of a light curve, as clients know it."""

from __future__ import annotations

from collections.abc import Iterable


def shown_filter(names: Iterable[str | None]) -> str:
    """Return the first name there is, or what clients show as the filter if no header names one."""
    return next((name for name in names if name), "None")
