"""The widths of stars: one Moffat profile for a frame, of another size for each source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datalab.astro.robust import FWHM_PER_SIGMA
from datalab.astro.types import FloatArray, Mask, Pixels

#: Exponents that are tried for the profile of a frame: from wider wings than any telescope's to nearly a Gaussian.
_BETAS = np.concatenate([np.arange(1.5, 6.0, 0.25), np.arange(6.0, 16.1, 1.0)])
#: Between the 2.5 of focal reducers and the 4.765 of pure turbulence (I. Trujillo et al., MNRAS 328, 977, 2001).
_USUAL_BETA = 3.5
#: A fit ends after this many steps, each of which changes the width by a factor of at most e^0.25. From a guess that is
#: wrong by 30 % it is exact to 1e-4 after eight.
_STEPS, _LONGEST_STEP = 12, 0.5
#: What is this much wider or narrower than the guess is no star, or its fit went astray.
_WIDTH_RANGE = (0.2, 5.0)
#: The variance, in each direction, of a profile that a square pixel of side 1 has been averaged over.
_PIXEL_VARIANCE = 1.0 / 12.0
_PIXELS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class StarWidths:
    """Widths (n,) in pixels at half and at a tenth of the maximum, NaN where unknown; and the profile of the frame.

    `typical_fwhm` is the median over the exemplary sources, NaN if there are none.
    """

    fwhm: FloatArray
    fwtm: FloatArray
    typical_fwhm: float
    beta: float


@dataclass(frozen=True, slots=True)
class _Cores:
    """The middles of sources: squared distances from the centres and light, (n, pixels); 0 and 0 off the core."""

    distance2: FloatArray
    light: FloatArray
    counted: Mask


def star_widths(pixels: Pixels, x: FloatArray, y: FloatArray, *, guess_px: float, exemplary: Mask) -> StarWidths:
    """Fit round Moffat profiles I = I0 (1 + r^2 / alpha^2)^-beta to the cores of sources, out to one width.

    Height and width are each source's own; beta is the exponent that fits the exemplary sources best. The width that
    the pixels add is taken off.

    Args:
        pixels: shape (rows, columns), sky subtracted.
        x: of the centres, shape (n,), counted from 0.
        y: likewise.
        guess_px: about the width (FWHM) of the stars.
        exemplary: shape (n,), the sources whose profile is that of the frame.

    References:
        A. F. J. Moffat, A&A 3, 455 (1969).
    """
    beta = _common_beta(_cores(pixels, x[exemplary], y[exemplary], guess_px), guess_px)
    fwhm = np.full(x.shape, np.nan)
    at_once = max(1, _PIXELS_AT_ONCE // (2 * _half(guess_px) + 1) ** 2)
    for first in range(0, x.size, at_once):
        some = slice(first, first + at_once)
        fwhm[some], _ = _fitted(_cores(pixels, x[some], y[some], guess_px), beta, guess_px)
    added = FWHM_PER_SIGMA**2 * _PIXEL_VARIANCE
    fwhm = np.sqrt(np.where(fwhm**2 > added, fwhm**2 - added, np.nan))
    known = exemplary & np.isfinite(fwhm)
    return StarWidths(
        fwhm=fwhm,
        fwtm=fwhm * np.sqrt((10.0 ** (1.0 / beta) - 1.0) / (2.0 ** (1.0 / beta) - 1.0)),
        typical_fwhm=float(np.median(fwhm[known])) if known.any() else np.nan,
        beta=beta,
    )


def fwhm_per_alpha(beta: float) -> float:
    """Return the full width at half maximum of a Moffat profile in units of its alpha."""
    return 2.0 * float(np.sqrt(2.0 ** (1.0 / beta) - 1.0))


def _common_beta(cores: _Cores, guess_px: float) -> float:
    misfits = np.stack([_fitted(cores, beta, guess_px)[1] for beta in _BETAS])
    misfits = misfits[:, np.isfinite(misfits).all(axis=0)]
    return float(_BETAS[int(np.argmin(np.median(misfits, axis=1)))]) if misfits.size else _USUAL_BETA


def _half(guess_px: float) -> int:
    return max(2, int(np.ceil(guess_px)))


def _cores(pixels: Pixels, x: FloatArray, y: FloatArray, guess_px: float) -> _Cores:
    rows, columns = pixels.shape
    half = _half(guess_px)
    steps = np.arange(-half, half + 1)
    column = (np.rint(x).astype(np.int64)[:, None] + steps)[:, None, :]
    row = (np.rint(y).astype(np.int64)[:, None] + steps)[:, :, None]
    distance2 = (column - x[:, None, None]) ** 2 + (row - y[:, None, None]) ** 2
    counted = (row >= 0) & (row < rows) & (column >= 0) & (column < columns) & (distance2 <= max(half, guess_px) ** 2)
    light = pixels[np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)].astype(np.float64)
    flat = (x.size, steps.size**2)
    return _Cores(
        distance2=np.where(counted, distance2, 0.0).reshape(flat),
        light=np.where(counted, light, 0.0).reshape(flat),
        counted=counted.reshape(flat),
    )


def _fitted(cores: _Cores, beta: float, guess_px: float) -> tuple[FloatArray, FloatArray]:
    """Return the FWHM and the relative misfit (n,) of profiles of one exponent; NaN where none fits.

    Gauss-Newton steps for the height and the logarithm of q = 1 / alpha^2; all pixels weigh alike.
    """
    width_per_alpha = fwhm_per_alpha(beta)
    log_q = np.full(len(cores.light), 2.0 * np.log(width_per_alpha / guess_px))
    height, residual = np.zeros_like(log_q), cores.light
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(_STEPS):
            stretched = np.exp(log_q)[:, None] * cores.distance2
            profile = np.where(cores.counted, (1.0 + stretched) ** -beta, 0.0)
            slope = -beta * profile * stretched / (1.0 + stretched)
            height = (profile * cores.light).sum(axis=1) / (profile**2).sum(axis=1)
            residual = cores.light - height[:, None] * profile
            slope -= profile * ((profile * slope).sum(axis=1) / (profile**2).sum(axis=1))[:, None]
            step = (residual * slope).sum(axis=1) / (height * (slope**2).sum(axis=1))
            log_q = log_q + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        fwhm = width_per_alpha * np.exp(-0.5 * log_q)
        misfit = (residual**2).sum(axis=1) / (cores.light**2).sum(axis=1)
    good = (height > 0.0) & (fwhm > _WIDTH_RANGE[0] * guess_px) & (fwhm < _WIDTH_RANGE[1] * guess_px)
    return np.where(good, fwhm, np.nan), np.where(good, misfit, np.nan)
