"""One image as analyses see it that some rows are enough for: nothing of it is decoded before it is asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from astropy.wcs import WCS

from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.types import Pixels
from datalab.fits.image import FitsImage


class StoredRows:
    """The science image of a file that can be read by rows."""

    def __init__(self, basename: str, path: Path) -> None:
        """Raises `UsageError` if the file is damaged or has no science image, `NotInPartsError`."""
        self.basename = basename
        self.path = path
        self._image = FitsImage(basename, path, work_dir=None)
        self.shape = self._image.shape

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows from the first on and before the second."""
        return self._image.rows(start, stop)

    def wcs(self) -> WCS | None:
        """Return the celestial coordinates, or None."""
        return self._wcs

    def close(self) -> None:
        """Close what this process has open."""
        self._image.close()

    @cached_property
    def _wcs(self) -> WCS | None:
        return celestial_wcs(self._image.header, self.shape)
