"""What operations need to know of the offers."""

from __future__ import annotations

from typing import Protocol

from session_api.offers.model import CatalogueEntry


class Catalogue(Protocol):
    """The operations there are."""

    def find(self, name: str) -> CatalogueEntry | None: ...

    def entries(self) -> list[CatalogueEntry]:
        """Return every operation, in the order clients show them."""
        ...
