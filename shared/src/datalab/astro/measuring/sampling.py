"""What pixels do to stars that are hardly wider than they are."""

from __future__ import annotations

import numpy as np

from datalab.astro.sources.star_widths import fwhm_per_alpha, star_widths
from datalab.astro.types import FloatArray

#: From this width on what a fit makes of pixels is right to a per cent.
WELL_SAMPLED_PX = 3.5
#: Points of a pixel, along each side, whose mean is its light.
_POINTS = 5
_ROUNDS = 3
_STAMP_FWHM = 4.0


def width_behind_pixels(fwhm_px: float, beta: float, x: FloatArray, y: FloatArray) -> float:
    """Return how wide stars are (FWHM, px) that a fit to their pixels makes `fwhm_px` wide.

    Stars of a known width are drawn where those of the frame are within their pixels, and fitted the same way; what
    the fit makes of them tells by how much it was wrong.

    Args:
        fwhm_px: as fitted by `star_widths`, less than `WELL_SAMPLED_PX`.
        beta: of the Moffat profile.
        x: of the centres of the stars, (n,).
        y: likewise.
    """
    width = fwhm_px
    for _ in range(_ROUNDS):
        fitted = star_widths(*_drawn(width, beta, x, y), guess_px=width, exemplary=np.ones(x.size, dtype=bool))
        if not np.isfinite(fitted.typical_fwhm):
            return fwhm_px
        width *= fwhm_px / fitted.typical_fwhm
    return width


def noise_area_px(fwhm_px: float, beta: float, x: FloatArray, y: FloatArray) -> float:
    """Return the number of pixels whose noise counts when a star is measured by its profile (King 1983).

    Args:
        fwhm_px: of the stars, without the pixels' own width.
        beta: of the Moffat profile.
        x: where stars are, (n,): it depends on how they lie on the pixels, and the mean is taken.
        y: likewise.
    """
    image, _, _ = _drawn(fwhm_px, beta, x, y)
    stamps = image.reshape(x.size, -1)
    return float(np.mean(stamps.sum(axis=1) ** 2 / np.square(stamps).sum(axis=1)))


def _drawn(fwhm_px: float, beta: float, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return an image of stars beside each other, one for each given, and their centres."""
    half = int(np.ceil(_STAMP_FWHM * fwhm_px))
    side = 2 * half + 1
    alpha = fwhm_px / fwhm_per_alpha(beta)
    points = (np.arange(_POINTS) + 0.5) / _POINTS - 0.5
    steps = (np.arange(-half, half + 1)[:, None] + points).ravel()
    across, down = x - np.rint(x), y - np.rint(y)
    dx, dy = steps[None, None, :] - across[:, None, None], steps[None, :, None] - down[:, None, None]
    light = (1.0 + (dx**2 + dy**2) / alpha**2) ** -beta
    stamps = light.reshape(x.size, side, _POINTS, side, _POINTS).mean(axis=(2, 4))
    return stamps.reshape(-1, side), half + across, half + down + side * np.arange(x.size)
