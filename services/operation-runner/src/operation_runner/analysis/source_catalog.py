from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from astropy.table import Table
from pydantic import Field

from datalab.astro.display.resizing import DisplayScale
from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR, instrumental_mag
from datalab.astro.sky.positions import sky_positions
from datalab.astro.types import FloatArray
from operation_runner.sdk.analysis import AnalysedImage, Analysis, DisplayParameters, UsageError

#: What clients of Photon Ranch draw, and what browsers can.
_SOURCES, _MOST_SOURCES = 1000, 20_000

_Columns = dict[str, FloatArray]


class SourceCatalog(Analysis):
    name = "source-catalog"
    description = "The first sources of the image's own catalog, in pixels of the display; none without a catalog."

    class Parameters(DisplayParameters):
        limit: Annotated[int, Field(ge=1, le=_MOST_SOURCES, description="how many at most")] = _SOURCES

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> list[dict[str, Any]]:
        catalogue = image.catalogue()
        if catalogue is None:  # nothing to draw, and nothing wrong
            return []
        columns = _numbers(catalogue[: parameters.limit])
        if "flux" not in columns or not _has_positions(columns):
            raise UsageError("The catalog of this image has no columns x, y and flux.")
        _complete(columns, image)
        return [_shown(columns, row, parameters.scale(image)) for row in range(len(columns["flux"]))]


def _numbers(table: Table) -> _Columns:
    """Return the columns that are used, undefined values as NaN."""
    wanted = ("x", "y", "xwin", "ywin", "flux", "fluxerr", "mag", "magerr", "ra", "dec")
    return {
        name: np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan) for name in wanted if name in table.colnames
    }


def _has_positions(columns: _Columns) -> bool:
    return {"x", "y"} <= columns.keys() or {"xwin", "ywin"} <= columns.keys()


def _complete(columns: _Columns, image: AnalysedImage) -> None:
    """Add what can be found from the other columns."""
    for plain, windowed in (("x", "xwin"), ("y", "ywin")):
        columns.setdefault(plain, columns.get(windowed, np.empty(0)))
        columns.setdefault(windowed, columns[plain])
    missing = np.full(len(columns["flux"]), np.nan)
    wcs = image.wcs()
    if not {"ra", "dec"} <= columns.keys() and wcs is not None:
        columns["ra"], columns["dec"] = sky_positions(wcs, columns["x"] - 1, columns["y"] - 1)  # 1-based as in FITS
    with np.errstate(invalid="ignore", divide="ignore"):
        flux, flux_error = columns["flux"], columns.get("fluxerr", missing)
        columns["mag_of_flux"] = instrumental_mag(flux)
        columns["magerr_of_flux"] = np.where(flux > 0, MAG_PER_RELATIVE_ERROR * flux_error / flux, np.nan)


def _shown(columns: _Columns, row: int, scale: DisplayScale) -> dict[str, Any]:
    fallback = "mag" not in columns
    flux = columns["flux"][row]
    magnitude, error = ("mag_of_flux", "magerr_of_flux") if fallback else ("mag", "magerr")
    shown = {
        "x_win": columns["xwin"][row] / scale.x,
        "y_win": columns["ywin"][row] / scale.y,
        "x": columns["x"][row] / scale.x,
        "y": columns["y"][row] / scale.y,
        "flux": int(flux) if math.isfinite(flux) else None,
        "mag": columns[magnitude][row],
        "magerr": columns[error][row] if error in columns else None,
        "flux_fallback": fallback,
    }
    if {"ra", "dec"} <= columns.keys() and math.isfinite(columns["ra"][row]) and math.isfinite(columns["dec"][row]):
        shown |= {"ra": f"{columns['ra'][row]:.6f}", "dec": f"{columns['dec'][row]:.6f}"}
    return shown
