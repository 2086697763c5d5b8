"""How long frames are kept, by their kind: trials and focus runs are of use for days, everything else for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta


class Lifetimes:
    """Lives in seconds by data type, as file names have it; and at some sites another one for all of these types."""

    def __init__(self, *, by_type: Mapping[str, float], by_site: Mapping[str, float]) -> None:
        self._by_type = by_type
        self._by_site = by_site

    def of(self, site: str, data_type: str | None) -> timedelta | None:
        """Return how long a frame is kept; None is for ever."""
        life_s = self._by_type.get(data_type or "")
        return None if life_s is None else timedelta(seconds=self._by_site.get(site, life_s))
