"""The `CAT` extension of a frame: the known sources, measured on the noisy pixels as a pipeline would."""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from datalab.simulation.psf import Moffat

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Catalogue = NDArray[np.void]

DETECTION_SIGNAL_TO_NOISE = 10.0
APERTURE_DIAMETERS_ARCSEC = (1, 2, 3, 4, 5, 6)  # fluxaper1..6: the numbers are the diameters, as in LCO's catalogues
FLAG_NEIGHBOUR, FLAG_SATURATED = 1, 4  # bits of Source Extractor

_AUTO_RADIUS_FWHM = 2.5  # holds 99 % of a Moffat with beta 3.5
_KRON_FACTOR = 2.5  # flux is summed within 2.5 Kron radii
_RING_INNER, _RING_OUTER = 1.2, 1.7  # sky ring, in units of that radius
_SKY_CLIP_SIGMA = 3.0
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_SKY_CLIP_PASSES = 3
_WINDOW_PASSES = 12  # the windowed centroid halves its error in each pass or better
_GROWTH_RADII = 24
_NEIGHBOUR_FLUX = 0.1  # a companion with less than a tenth of the light is no flag

UNITS = {
    **dict.fromkeys(("x", "y", "xwin", "ywin", "xpeak", "ypeak", "a", "b", "kronrad", "fwhm", "fwtm"), "pix"),
    **dict.fromkeys(("fluxrad25", "fluxrad50", "fluxrad75"), "pix"),
    **dict.fromkeys(("x2", "y2", "xy"), "pix2"),
    **dict.fromkeys(("peak", "flux", "fluxerr", "background"), "count"),
    **{f"{name}{n}": "count" for n in APERTURE_DIAMETERS_ARCSEC for name in ("fluxaper", "fluxerr")},
    **dict.fromkeys(("theta", "ra", "dec"), "deg"),
    **dict.fromkeys(("mag", "magerr"), "mag"),
}
_APERTURES = [(f"{name}{n}", np.float64) for name in ("fluxaper", "fluxerr") for n in APERTURE_DIAMETERS_ARCSEC]
CATALOGUE_DTYPE = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "xwin", "ywin")),
        ("xpeak", np.int64),
        ("ypeak", np.int64),
        *((name, np.float64) for name in ("peak", "a", "b", "theta", "ellipticity", "kronrad", "flux", "fluxerr")),
        *((name, np.float64) for name in ("x2", "y2", "xy", "background")),
        *_APERTURES,
        *((name, np.float64) for name in ("fluxrad25", "fluxrad50", "fluxrad75")),
        ("flag", np.int64),
        *((name, np.float64) for name in ("fwhm", "fwtm", "ra", "dec", "mag", "magerr")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame to measure: `linear` (rows, columns), ADU without bias, dark and flat; `product`, pixels as stored."""

    linear: FloatArray
    product: NDArray[np.uint16]
    wcs: WCS
    psf: Moffat
    pixel_scale_arcsec: float
    gain_e_per_adu: float
    saturation_adu: float
    exposure_s: float
    zero_point_mag: float  # of 1 ADU in the whole exposure, all the light of the star counted


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Sources bright enough to be found, brightest first: where they truly are (0-based pixels) and their flags."""

    x: FloatArray
    y: FloatArray
    has_neighbour: NDArray[np.bool_]


def auto_radius_px(psf: Moffat) -> float:
    """The radius within which `flux` is summed."""
    return _AUTO_RADIUS_FWHM * psf.fwhm_px


def catalogue_zero_point_mag(frame: Frame) -> float:
    """The zero point of `flux` per second: the light outside the aperture and in the sky ring is allowed for."""
    radius = auto_radius_px(frame.psf)
    inner, outer = _RING_INNER * radius, _RING_OUTER * radius
    ring_light = frame.psf.enclosed_fraction(outer) - frame.psf.enclosed_fraction(inner)
    taken_for_sky = ring_light * radius**2 / (outer**2 - inner**2)
    counted = frame.psf.enclosed_fraction(radius) - taken_for_sky
    return float(frame.zero_point_mag + 2.5 * np.log10(counted / frame.exposure_s))


def detect(
    *,
    x: FloatArray,
    y: FloatArray,
    flux_adu: FloatArray,
    noise_adu_per_px: float,
    gain_e_per_adu: float,
    shape: tuple[int, int],
    psf: Moffat,
) -> Detections:
    """Which of the true sources a finder would list.

    Signal to noise within one FWHM of at least 10; the whole measuring stamp on the chip; no brighter source within
    one FWHM (the two would be found as one).
    """
    margin = _stamp_half(psf)
    signal = flux_adu * psf.enclosed_fraction(psf.fwhm_px)
    noise = np.sqrt(signal / gain_e_per_adu + np.pi * psf.fwhm_px**2 * noise_adu_per_px**2)
    on_chip = (x >= margin) & (y >= margin) & (x <= shape[1] - 1 - margin) & (y <= shape[0] - 1 - margin)
    found = np.flatnonzero(on_chip & (signal >= DETECTION_SIGNAL_TO_NOISE * noise))
    found = found[np.argsort(-flux_adu[found], kind="stable")]
    order = np.argsort(-flux_adu, kind="stable")
    blended = np.zeros(found.size, dtype=bool)
    neighbour = np.zeros(found.size, dtype=bool)
    for k, i in enumerate(found):
        distance = np.hypot(x[order] - x[i], y[order] - y[i])
        others = order != i
        blended[k] = np.any(others & (distance < psf.fwhm_px) & (flux_adu[order] >= flux_adu[i]))
        close = distance < auto_radius_px(psf) + psf.fwhm_px
        neighbour[k] = np.any(others & close & (flux_adu[order] > _NEIGHBOUR_FLUX * flux_adu[i]))
    kept = found[~blended]
    return Detections(x=x[kept], y=y[kept], has_neighbour=neighbour[~blended])


def measure(frame: Frame, detections: Detections) -> Catalogue:
    """Measure sources; one row each (dtype `CATALOGUE_DTYPE`), by falling `flux`.

    Positions count from 1 (FITS). `xwin, ywin`: Gaussian-windowed centroid; `x, y`: barycentre within one FWHM;
    `peak`: the brightest pixel as stored, sky included, so that it compares with `SATURATE`; `flux`: within 2.5 Kron
    radii (the same circle for all sources of a frame); `background`: clipped mean of a ring, in stored units above
    bias; `fwhm, fwtm`: the half-light radius turned into the widths of a Moffat profile. Sources whose measured flux
    is not positive are left out.
    """
    half = _stamp_half(frame.psf)
    steps = np.arange(-half, half + 1)
    column0, row0 = np.rint(detections.x).astype(np.int64), np.rint(detections.y).astype(np.int64)
    where = (row0[:, None, None] + steps[None, :, None], column0[:, None, None] + steps[None, None, :])
    stamps = frame.linear[where]
    dx0, dy0 = detections.x - column0, detections.y - row0

    sky, sky_sd = _ring_sky(stamps, _distances(steps, dx0, dy0), auto_radius_px(frame.psf))
    stamps = stamps - sky[:, None, None]
    xwin, ywin, moments = _windowed(stamps, steps, dx0, dy0, frame.psf.fwhm_px)
    distance = _distances(steps, xwin, ywin)
    flux = _aperture_sums(stamps, distance, auto_radius_px(frame.psf))

    rows = np.zeros(flux.size, dtype=CATALOGUE_DTYPE)
    rows["xwin"], rows["ywin"] = column0 + xwin + 1.0, row0 + ywin + 1.0
    offsets = steps.astype(np.float64)
    core = np.where(distance <= frame.psf.fwhm_px, np.maximum(stamps, 0.0), 0.0)
    rows["x"] = column0 + 1.0 + _weighted_mean(offsets[None, None, :], core)
    rows["y"] = row0 + 1.0 + _weighted_mean(offsets[None, :, None], core)
    rows["ra"], rows["dec"] = frame.wcs.all_pix2world(rows["xwin"], rows["ywin"], 1)
    brightest, rows["peak"] = _brightest_pixels(frame.product[where], distance <= frame.psf.fwhm_px)
    rows["xpeak"], rows["ypeak"] = column0 - half + brightest[1] + 1, row0 - half + brightest[0] + 1
    _fill_shapes(rows, moments)
    rows["kronrad"] = auto_radius_px(frame.psf) / (_KRON_FACTOR * rows["a"])
    rows["background"] = sky
    rows["flux"] = flux
    rows["fluxerr"] = _flux_error(flux, auto_radius_px(frame.psf), sky_sd, frame)
    for diameter in APERTURE_DIAMETERS_ARCSEC:
        radius = 0.5 * diameter / frame.pixel_scale_arcsec
        rows[f"fluxaper{diameter}"] = _aperture_sums(stamps, distance, radius)
        rows[f"fluxerr{diameter}"] = _flux_error(rows[f"fluxaper{diameter}"], radius, sky_sd, frame)
    rows["flag"] = np.where(detections.has_neighbour, FLAG_NEIGHBOUR, 0)
    rows["flag"] |= np.where(rows["peak"] >= frame.saturation_adu, FLAG_SATURATED, 0)

    rows, stamps, distance = rows[flux > 0.0], stamps[flux > 0.0], distance[flux > 0.0]
    _fill_light_radii(rows, stamps, distance, frame.psf)
    rows["mag"] = catalogue_zero_point_mag(frame) - 2.5 * np.log10(rows["flux"] / frame.exposure_s)
    rows["magerr"] = 2.5 / np.log(10.0) * rows["fluxerr"] / rows["flux"]
    return rows[np.argsort(-rows["flux"], kind="stable")]


def _stamp_half(psf: Moffat) -> int:
    return int(np.ceil(_RING_OUTER * auto_radius_px(psf))) + 1


def _distances(steps: IntArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
    distances: FloatArray = np.hypot(steps[None, None, :] - dx[:, None, None], steps[None, :, None] - dy[:, None, None])
    return distances


def _ring_sky(stamps: FloatArray, distance: FloatArray, radius: float) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (n,) of the sky around each source, without what stands out by 3 robust deviations.

    The deviation is that of the median absolute deviation, so that a bright neighbour in the ring cannot hide itself.
    """
    ring = np.where((distance >= _RING_INNER * radius) & (distance <= _RING_OUTER * radius), stamps, np.nan)
    for _ in range(_SKY_CLIP_PASSES):
        middle = np.nanmedian(ring, axis=(1, 2), keepdims=True)
        deviation = np.abs(ring - middle)
        spread = _MAD_TO_SIGMA * np.nanmedian(deviation, axis=(1, 2), keepdims=True)
        ring = np.where(deviation <= _SKY_CLIP_SIGMA * spread, ring, np.nan)
    return np.nanmean(ring, axis=(1, 2)), np.nanstd(ring, axis=(1, 2))


def _windowed(
    stamps: FloatArray, steps: IntArray, dx: FloatArray, dy: FloatArray, fwhm_px: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centroid (offsets from the middle of the stamp) and second moments (n, 3: xx, yy, xy) under a Gaussian window.

    The iteration of Source Extractor's XWIN_IMAGE: a step of twice the windowed offset, which is exact for a Gaussian
    source as wide as the window. A step is limited to half a pixel, so that noise cannot throw a faint source away.
    """
    sigma = fwhm_px / 2.3548
    x, y = dx.copy(), dy.copy()
    for _ in range(_WINDOW_PASSES):
        weighted, off_x, off_y = _window(stamps, steps, x, y, sigma)
        x += np.clip(2.0 * _weighted_mean(off_x, weighted), -0.5, 0.5)
        y += np.clip(2.0 * _weighted_mean(off_y, weighted), -0.5, 0.5)
    wide = fwhm_px
    weighted, off_x, off_y = _window(stamps, steps, x, y, wide)
    moments = np.stack([_weighted_mean(product, weighted) for product in (off_x**2, off_y**2, off_x * off_y)], axis=1)
    return x, y, _without_window(moments, wide)


def _window(
    stamps: FloatArray, steps: IntArray, x: FloatArray, y: FloatArray, sigma: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    off_x = steps[None, None, :] - x[:, None, None]
    off_y = steps[None, :, None] - y[:, None, None]
    return stamps * np.exp(-(off_x**2 + off_y**2) / (2.0 * sigma**2)), off_x, off_y


def _weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Means (n,) over stamps; 0 where noise has left no net light to weigh with."""
    total = weights.sum(axis=(1, 2))
    means: FloatArray = np.divide(
        (weights * values).sum(axis=(1, 2)), total, out=np.zeros_like(total), where=total > 0.0
    )
    return means


def _without_window(moments: FloatArray, sigma: float) -> FloatArray:
    """Undo the narrowing by a Gaussian window: covariances add inversely, C_source^-1 = C_measured^-1 - 1 / sigma^2.

    Measured eigenvalues are first kept between (0.2 px)^2 and 0.8 of the window's, where the inversion is stable.
    """
    matrices = np.stack([moments[:, [0, 2]], moments[:, [2, 1]]], axis=1)
    values, vectors = np.linalg.eigh(matrices)
    values = np.clip(values, 0.04, 0.8 * sigma**2)
    values = 1.0 / (1.0 / values - 1.0 / sigma**2)
    corrected = np.einsum("nik,nk,njk->nij", vectors, values, vectors)
    return np.stack([corrected[:, 0, 0], corrected[:, 1, 1], corrected[:, 0, 1]], axis=1)


def _aperture_sums(stamps: FloatArray, distance: FloatArray, radius: float) -> FloatArray:
    """Sums in circles; a pixel counts by its distance from the rim, and the weights are scaled to the exact area."""
    weights = np.clip(radius - distance + 0.5, 0.0, 1.0)
    return _weighted_mean(stamps, weights) * np.pi * radius**2


def _flux_error(flux: FloatArray, radius: float, sky_sd: FloatArray, frame: Frame) -> FloatArray:
    """Shot noise, sky noise in the aperture, and the uncertainty of the mean of the sky ring over the aperture."""
    area = np.pi * radius**2
    ring_area = np.pi * auto_radius_px(frame.psf) ** 2 * (_RING_OUTER**2 - _RING_INNER**2)
    shot = np.maximum(flux, 0.0) / frame.gain_e_per_adu
    error: FloatArray = np.sqrt(shot + area * (1.0 + area / ring_area) * sky_sd**2)
    return error


def _brightest_pixels(
    stamps: NDArray[np.uint16], core: NDArray[np.bool_]
) -> tuple[tuple[IntArray, IntArray], NDArray[np.uint16]]:
    """Row and column within each stamp, and value, of the brightest pixel of the core."""
    flat = np.where(core, stamps, np.uint16(0)).reshape(len(stamps), stamps.shape[1] * stamps.shape[2])
    brightest = np.argmax(flat, axis=1)
    row, column = np.divmod(brightest, stamps.shape[2])
    return (row, column), np.take_along_axis(flat, brightest[:, None], axis=1)[:, 0]


def _fill_shapes(rows: Catalogue, moments: FloatArray) -> None:
    xx, yy, xy = moments.T
    mean, split = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
    rows["x2"], rows["y2"], rows["xy"] = xx, yy, xy
    rows["a"], rows["b"] = np.sqrt(mean + split), np.sqrt(mean - split)
    rows["theta"] = np.degrees(0.5 * np.arctan2(2.0 * xy, xx - yy))
    rows["ellipticity"] = 1.0 - rows["b"] / rows["a"]


def _fill_light_radii(rows: Catalogue, stamps: FloatArray, distance: FloatArray, psf: Moffat) -> None:
    radii = np.linspace(0.0, auto_radius_px(psf), _GROWTH_RADII + 1)
    growth = np.zeros((rows.size, radii.size))
    for k, radius in enumerate(radii[1:], start=1):
        growth[:, k] = _aperture_sums(stamps, distance, radius) / rows["flux"]
    growth = np.maximum.accumulate(growth, axis=1)
    for percent in (25, 50, 75):
        rows[f"fluxrad{percent}"] = [np.interp(percent / 100.0, curve, radii) for curve in growth]
    half_of_all = 0.5 * psf.enclosed_fraction(auto_radius_px(psf))
    widening = rows["fluxrad50"] / psf.radius_enclosing(half_of_all)
    rows["fwhm"] = psf.fwhm_px * widening
    rows["fwtm"] = 2.0 * psf.alpha_px * np.sqrt(10.0 ** (1.0 / psf.beta) - 1.0) * widening
