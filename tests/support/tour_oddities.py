"""Public frames that lack something, for the errors users read about them."""

import io
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits
from astropy.table import Table

from support.tour_sky import OBSERVATORY, sha256

_SHAPE = (100, 120)


@dataclass(frozen=True)
class OddFrame:
    """An image without world coordinates; `sources` become its CAT extension, if there are any."""

    basename: str
    filter_name: str | None = "rp"
    level: float = 100.0
    sources: dict = field(default_factory=dict)

    def content(self):
        header = fits.Header({"DATE-OBS": "2026-03-14T22:00:00.000", "EXPTIME": 60.0, "SITEID": OBSERVATORY.site.code})
        header["L1PUBDAT"] = "2026-03-14"
        if self.filter_name is not None:
            header["FILTER"] = self.filter_name
        pixels = np.random.default_rng(1).normal(self.level, 0.1 * self.level, _SHAPE).astype(np.float32)
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels, header, name="SCI")]
        if self.sources:
            hdus.append(fits.BinTableHDU(Table(self.sources), name="CAT"))
        buffer = io.BytesIO()
        fits.HDUList(hdus).writeto(buffer)
        return buffer.getvalue()

    @property
    def key(self):
        return f"data/{self.basename}.fits"

    @property
    def sha256(self):
        return sha256(self.content())

    def session_item(self):
        """Return the frame as clients post it; what they say of its filter does not count."""
        return {"source": "archive", "basename": self.basename, "filter": "rp"}


def _sources(**changes):
    """Three sources on the other side of the sky."""
    known = {"ra": [10.0, 10.01, 10.02], "dec": [-20.0, -20.01, -20.02], "mag": [14.0, 15.0, 16.0]}
    return known | {"magerr": [0.01, 0.01, 0.01], "flux": [1e4, 4e3, 1.6e3]} | changes


BARE = OddFrame("odd_bare")
BARE_BLUE = OddFrame("odd_bare_blue", filter_name="gp")
UNFILTERED = OddFrame("odd_unfiltered", filter_name=None)
DARK = OddFrame("odd_dark", level=0.0)
ELSEWHERE = OddFrame("odd_elsewhere", filter_name="gp", sources=_sources())
UNCALIBRATED = OddFrame("odd_uncalibrated", filter_name="gp", sources=_sources(mag=[np.nan] * 3))
ODD_FRAMES = (BARE, BARE_BLUE, UNFILTERED, DARK, ELSEWHERE, UNCALIBRATED)
