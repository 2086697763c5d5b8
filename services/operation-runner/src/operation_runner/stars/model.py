"""Where stars come from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from datalab.astro.sky.region import SkyRegion


class StarCatalogue(Protocol):
    """The stars of the sky, as an outside service knows them."""

    async def fetch(self, region: SkyRegion, target: Path) -> None:
        """Write the stars of a region to a file, as the service sent them.

        Raises `UsageError` for a region that is too large, `TransientError` if the service does not answer.
        """
        ...
