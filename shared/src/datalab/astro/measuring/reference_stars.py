"""The zero point of a frame, from stars whose magnitudes are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from scipy.spatial import cKDTree

from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR
from datalab.astro.robust import SIGMA_PER_MAD
from datalab.astro.types import FloatArray

#: Two different stars may be the nearest to one another by chance; so many real ones are no chance.
_LEAST_STARS = 5
#: Stars whose light is less certain than this tell nothing.
_MOST_ERROR_MAG = 0.05
#: Residuals beyond this many sigma, and this at the least, are blends or variable stars.
_CLIP_SIGMA, _CLIP_LEAST_MAG = 2.5, 0.03
_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceStars:
    """Stars of a catalogue: positions ICRS in degrees at the time of the frame, and magnitudes, all (n,)."""

    ra_deg: FloatArray
    dec_deg: FloatArray
    mag: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredZeroPoint:
    """Magnitude of one count of the whole exposure; the scatter of single stars around it, and how many."""

    mag: float
    scatter_mag: float
    n_stars: int


def counts_zero_point(
    x: FloatArray,
    y: FloatArray,
    counts: FloatArray,
    errors: FloatArray,
    *,
    wcs: WCS,
    reference: ReferenceStars,
    reach_px: float,
) -> MeasuredZeroPoint | None:
    """Return the zero point of stars, None if too few of them are in the catalogue.

    Args:
        x: of the stars, (n,), counted from 0.
        y: likewise.
        counts: all the light of each; what is not positive is left out.
        errors: of `counts`.
        wcs: celestial, of the frame.
        reference: with stars of the field, and any others.
        reach_px: how far stars may be from where the catalogue has them.
    """
    with np.errstate(invalid="ignore"):
        good = (counts > 0.0) & (MAG_PER_RELATIVE_ERROR * errors < _MOST_ERROR_MAG * counts)
    listed = _on_frame(wcs, reference)
    if np.count_nonzero(good) < _LEAST_STARS or len(listed) < _LEAST_STARS:
        return None
    places, magnitudes = listed[:, :2], listed[:, 2]
    distances, nearest = cKDTree(places).query(
        np.column_stack([x[good], y[good]]), k=2, distance_upper_bound=2.0 * reach_px
    )
    # One with a second star of the catalogue as near is two stars in one.
    alone = (distances[:, 0] <= reach_px) & ~np.isfinite(distances[:, 1])
    if np.count_nonzero(alone) < _LEAST_STARS:
        return None
    difference = magnitudes[nearest[alone, 0]] + 2.5 * np.log10(counts[good][alone])
    weights = 1.0 / (MAG_PER_RELATIVE_ERROR * errors[good][alone] / counts[good][alone]) ** 2
    weights = np.minimum(weights, 10.0 * np.median(weights))  # the brightest few must not decide alone
    kept = np.ones(difference.size, dtype=bool)
    for _ in range(_ROUNDS):
        middle = float(np.median(difference[kept]))
        spread = SIGMA_PER_MAD * float(np.median(np.abs(difference[kept] - middle)))
        now = np.abs(difference - middle) <= max(_CLIP_SIGMA * spread, _CLIP_LEAST_MAG)
        if (now == kept).all():
            break
        kept = now
    if np.count_nonzero(kept) < _LEAST_STARS:
        return None
    mag = float(np.average(difference[kept], weights=weights[kept]))
    scatter = math.sqrt(float(np.mean((difference[kept] - mag) ** 2)))
    return MeasuredZeroPoint(mag=mag, scatter_mag=scatter, n_stars=int(np.count_nonzero(kept)))


def _on_frame(wcs: WCS, reference: ReferenceStars) -> FloatArray:
    """Return x, y and magnitude of the catalogue's stars near the frame, (n, 3)."""
    known = np.isfinite(reference.ra_deg) & np.isfinite(reference.dec_deg) & np.isfinite(reference.mag)
    ra, dec, mag = reference.ra_deg[known], reference.dec_deg[known], reference.mag[known]
    if not mag.size:
        return np.empty((0, 3))
    x, y = wcs.all_world2pix(ra, dec, 0, quiet=True)
    rows, columns = wcs.array_shape
    near = (x > -columns) & (x < 2 * columns) & (y > -rows) & (y < 2 * rows)
    listed: FloatArray = np.column_stack([x, y, mag])[near]
    return listed
