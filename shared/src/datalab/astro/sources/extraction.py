"""Finding and measuring the sources of an image.

Around the photometry of Source Extractor (E. Bertin and S. Arnouts, A&AS 117, 393, 1996) as the library sep offers it
(K. Barbary, JOSS 1, 58, 2016): a sky that is measured a second time without the sources, a detection filter of the
width of the stars of the frame, and apertures that hold the same part of the light of every star.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import sep
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from datalab.astro.catalogues.star_selection import FLAG_SHARP
from datalab.astro.catalogues.transformed import with_sky_positions
from datalab.astro.headers.detector import Detector
from datalab.astro.robust import FWHM_PER_SIGMA
from datalab.astro.sources.detection import (
    Detections,
    DetectionSettings,
    ExtractionError,
    Frame,
    detect,
    is_single_pixel,
    prepared,
    refine_sky,
    without_sky,
)
from datalab.astro.sources.sharpness import is_sharper_than_a_star, sharpness
from datalab.astro.sources.star_widths import StarWidths, star_widths
from datalab.astro.types import FloatArray, IntArray, Mask, Pixels

#: Bits of the column `flag`, as in Source Extractor.
FLAG_NEIGHBOUR, FLAG_BLENDED, FLAG_SATURATED, FLAG_TRUNCATED, FLAG_INCOMPLETE = 1, 2, 4, 8, 16

#: Diameters of fluxaper1..6, as in the catalogues of Las Cumbres Observatory.
APERTURE_DIAMETERS_ARCSEC = (1, 2, 3, 4, 5, 6)

#: The circle in which a star's `flux` is summed: 99 % of the light of a Moffat profile with beta 3.5. What is larger,
#: by its own Kron ellipse, is summed in that.
_AUTO_RADIUS_FWHM = 2.5
_KRON_FACTOR = 2.5
#: Where the Kron radius is measured, in units of a and b (Source Extractor's choice).
_KRON_MEASURING_RADIUS = 6.0
#: A companion with less than a tenth of the light is no flag.
_NEIGHBOUR_FLUX = 0.1
#: A windowed position farther from the barycentre than this has left its source.
_WINDOW_REACH_FWHM = 1.0

#: The width of the stars before any is known: what a star should be sampled with at the least.
_FIRST_FWHM_PX = 3.0
#: The stars a frame's width is taken from: the brightest ones, round and clean.
_EXEMPLARY_STARS, _EXEMPLARY_SIGNAL_TO_NOISE, _EXEMPLARY_ELLIPTICITY = 30, 20.0, 0.3
#: Widths that are believed: no star is narrower than a pixel, and what is wider than this is no star.
_FWHM_RANGE_PX = (1.0, 50.0)

#: Side of the part of an image in which the width of its stars is measured when nothing else is wanted.
_MIDDLE_PX = 1024

_LIGHT_RADII = {"fluxrad25": 0.25, "fluxrad50": 0.5, "fluxrad75": 0.75}
_UNITS = {
    **dict.fromkeys(("x", "y", "xwin", "ywin", "xpeak", "ypeak", "a", "b", "fwhm", "fwtm", *_LIGHT_RADII), "pix"),
    **dict.fromkeys(("x2", "y2", "xy"), "pix2"),
    **dict.fromkeys(("peak", "flux", "fluxerr", "background"), "count"),
    **{f"{name}{n}": "count" for n in APERTURE_DIAMETERS_ARCSEC for name in ("fluxaper", "fluxerr")},
    "theta": "deg",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSettings(DetectionSettings):
    """What counts as a source, and the radius of the circle for its `flux` if the usual one is not wanted."""

    aperture_radius_px: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The sources of an image, brightest first, and its sky level, the noise of the sky and the width of its stars.

    Levels in the units of the image; `fwhm_px` is NaN if there is no star to measure it at.
    """

    sources: Table
    background: float
    background_rms: float
    fwhm_px: float


def extract_sources(
    pixels: Pixels,
    *,
    detector: Detector = Detector(),  # noqa: B008 - cannot be changed
    settings: ExtractionSettings = ExtractionSettings(),
    wcs: WCS | None = None,
    pixel_scale_arcsec: float | None = None,
) -> Extraction:
    """Find and measure the sources of an image.

    The columns are those of the catalogues of Las Cumbres Observatory. Positions count from 1: x, y are barycentres,
    xwin, ywin positions under a Gaussian window, the most exact ones. `flux` is summed in a circle of 2.5 widths of
    the stars, in the Kron ellipse of a source that is larger, or in the aperture of the settings; without the pixels
    of other sources. `peak` is the brightest pixel as it is in the image, `background` the sky level at the source.
    Errors come from the noise of the sky and from the gain. Sources whose flux is not positive are left out.

    `flag` has the bits of Source Extractor: 1 a neighbour as near as the aperture with a tenth of the light or more,
    2 was blended with another, 4 saturated, 8 cut by the edge of the image, 16 pixels of the aperture are missing:
    blank, another source's, or off the image. A further one, 256: sharper than a star of this image can be, such as a
    cosmic ray or a hot pixel. `sharpness` is about 1 for stars, less for what is wider.

    Args:
        pixels: shape (rows, columns), any type; what is not finite is blank.
        detector: gain for the errors, saturation for the flags.
        settings: what counts as a source.
        wcs: for ra and dec.
        pixel_scale_arcsec: for fluxaper1..6, sums in circles of 1 to 6 arcsec diameter.

    Raises:
        ExtractionError: the image is too small, blank, the same everywhere, or too crowded.
    """
    try:
        return _extracted(pixels, detector, settings, wcs, pixel_scale_arcsec)
    except ExtractionError:
        raise
    except Exception as error:
        if not _is_of_sep(error):
            raise
        raise ExtractionError(f"its sources cannot be measured ({error})") from error


def _is_of_sep(error: Exception) -> bool:
    """Tell whether an error is one of the library's, which are of no type of their own."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("sep")


def _extracted(
    pixels: Pixels,
    detector: Detector,
    settings: ExtractionSettings,
    wcs: WCS | None,
    pixel_scale_arcsec: float | None,
) -> Extraction:
    image, blank = prepared(pixels)
    frame = without_sky(image, blank=blank, is_whole_counts=pixels.dtype.kind in "iu")
    found = detect(frame, settings, fwhm_px=_FIRST_FWHM_PX)
    fwhm_px = _usable_width(_widths(pixels, frame, found.objects, detector))
    covered = maximum_filter(found.segments > 0, size=2 * math.ceil(fwhm_px) + 1)
    frame = refine_sky(image, frame, covered=covered)
    del image, covered
    found = detect(frame, settings, fwhm_px=fwhm_px)
    widths = _widths(pixels, frame, found.objects, detector)
    photometer = _Photometer(frame, found, gain_e_per_adu=detector.gain_e_per_adu, fwhm_px=_usable_width(widths))
    sources = _measured(pixels, photometer, widths, detector, settings)
    if pixel_scale_arcsec is not None:
        for diameter in APERTURE_DIAMETERS_ARCSEC:
            flux, error, _ = photometer.circles(0.5 * diameter / pixel_scale_arcsec)
            sources[f"fluxaper{diameter}"], sources[f"fluxerr{diameter}"] = flux, error
    sources = _in_order(sources)
    return Extraction(
        sources=sources if wcs is None else with_sky_positions(sources, wcs),
        background=frame.sky,
        background_rms=frame.sky_noise,
        fwhm_px=widths.typical_fwhm,
    )


def star_width_px(pixels: Pixels, *, detector: Detector = Detector()) -> float:  # noqa: B008 - cannot be changed
    """Return how wide (FWHM) the stars of an image are, from the middle of it; NaN if it shows none.

    Args:
        pixels: shape (rows, columns), any type; what is not finite is blank.
        detector: saturation, for the stars that tell nothing.
    """
    rows, columns = (slice(max(0, (side - _MIDDLE_PX) // 2), (side + _MIDDLE_PX + 1) // 2) for side in pixels.shape)
    middle = pixels[rows, columns]
    try:
        image, blank = prepared(middle)
        frame = without_sky(image, blank=blank, is_whole_counts=middle.dtype.kind in "iu")
        found = detect(frame, ExtractionSettings(), fwhm_px=_FIRST_FWHM_PX)
    except ExtractionError:
        return math.nan
    return _widths(middle, frame, found.objects, detector).typical_fwhm


class _Photometer:
    """Sums light around the detections of a frame, each without the pixels of the others.

    `x`, `y`: windowed positions (n,), counted from 0.
    """

    def __init__(self, frame: Frame, found: Detections, *, gain_e_per_adu: float, fwhm_px: float) -> None:
        self.frame = frame
        self.objects = _with_lawful_ellipses(found.objects)
        self.fwhm_px = fwhm_px
        self._gain = gain_e_per_adu
        self._own_pixels = {"mask": frame.blank, "segmap": found.segments, "seg_id": found.identifiers}
        self.x, self.y = self._windowed_positions()

    def circles(self, radius: float | FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return sums, their errors and flags of sep, each (n,)."""
        sums, errors, flags = sep.sum_circle(
            self.frame.net, self.x, self.y, radius, err=self.frame.noise, gain=self._gain, subpix=0, **self._own_pixels
        )
        return sums, errors, flags.astype(np.int64)

    def kron_apertures(self) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
        """Return what `circles` does, in Kron ellipses but no less than a star needs, and the Kron radii."""
        shape = (self.objects["a"], self.objects["b"], self.objects["theta"])
        kron, _ = sep.kron_radius(self.frame.net, self.x, self.y, *shape, _KRON_MEASURING_RADIUS, **self._own_pixels)
        kron = np.clip(np.nan_to_num(kron), 0.0, _KRON_MEASURING_RADIUS)
        radius = _AUTO_RADIUS_FWHM * self.fwhm_px
        sums, errors, flags = self.circles(radius)
        large = np.flatnonzero(_KRON_FACTOR * kron * np.sqrt(shape[0] * shape[1]) > radius)
        if large.size:
            own = self._own_pixels | {"seg_id": self._own_pixels["seg_id"][large]}
            sums[large], errors[large], flags[large] = sep.sum_ellipse(
                self.frame.net,
                self.x[large],
                self.y[large],
                *(values[large] for values in shape),
                _KRON_FACTOR * kron[large],
                err=self.frame.noise,
                gain=self._gain,
                subpix=0,
                **own,
            )
        return sums, errors, flags, kron

    def light_radii(self, flux: FloatArray) -> FloatArray:
        """Return the radii (n, 3) that hold the shares of `_LIGHT_RADII` of the flux."""
        reach = np.full(flux.shape, 2.0 * _AUTO_RADIUS_FWHM * self.fwhm_px)
        shares = list(_LIGHT_RADII.values())
        radii, _ = sep.flux_radius(
            self.frame.net, self.x, self.y, reach, shares, normflux=flux, subpix=5, **self._own_pixels
        )
        return np.asarray(radii, np.float64)

    def _windowed_positions(self) -> tuple[FloatArray, FloatArray]:
        """Return positions under a Gaussian window; the barycentre where the window has lost its source."""
        x0, y0 = self.objects["x"], self.objects["y"]
        x, y, _ = sep.winpos(self.frame.net, x0, y0, self.fwhm_px / FWHM_PER_SIGMA, mask=self.frame.blank)
        kept = np.hypot(x - x0, y - y0) <= _WINDOW_REACH_FWHM * self.fwhm_px  # not if NaN
        return np.where(kept, x, x0), np.where(kept, y, y0)


def _with_lawful_ellipses(objects: NDArray[np.void]) -> NDArray[np.void]:
    """Return objects whose ellipses sep accepts as apertures: its own angles are above pi/2 by a rounding error."""
    lawful = objects.copy()
    lawful["a"] = np.maximum(objects["a"], objects["b"])
    lawful["b"] = np.minimum(objects["a"], objects["b"])
    quarter = np.nextafter(0.5 * np.pi, 0.0)
    lawful["theta"] = np.clip(objects["theta"], -quarter, quarter)
    return lawful


def _widths(pixels: Pixels, frame: Frame, objects: NDArray[np.void], detector: Detector) -> StarWidths:
    exemplary = _exemplary(pixels, frame, objects, detector)
    guess = _FIRST_FWHM_PX
    if exemplary.any():
        guess = FWHM_PER_SIGMA * float(np.sqrt(np.median(objects["a"][exemplary] * objects["b"][exemplary])))
    return star_widths(frame.net, objects["x"], objects["y"], guess_px=guess, exemplary=exemplary)


def _usable_width(widths: StarWidths) -> float:
    if math.isnan(widths.typical_fwhm):
        return _FIRST_FWHM_PX
    return float(np.clip(widths.typical_fwhm, *_FWHM_RANGE_PX))


def _exemplary(pixels: Pixels, frame: Frame, objects: NDArray[np.void], detector: Detector) -> Mask:
    """Tell which objects show how wide a star is: the brightest that are round, clean and not saturated."""
    bright = objects["flux"] > _EXEMPLARY_SIGNAL_TO_NOISE * frame.sky_noise * np.sqrt(objects["npix"])
    is_round = objects["b"] >= (1.0 - _EXEMPLARY_ELLIPTICITY) * objects["a"]
    clean = (objects["flag"] == 0) & (_peaks(pixels, objects) < detector.saturation_adu) & ~is_single_pixel(objects)
    by_flux = np.argsort(-objects["flux"], kind="stable")
    best = by_flux[(bright & is_round & clean)[by_flux]][:_EXEMPLARY_STARS]
    chosen = np.zeros(len(objects), dtype=bool)
    chosen[best] = True
    return chosen


def _measured(
    pixels: Pixels, photometer: _Photometer, widths: StarWidths, detector: Detector, settings: ExtractionSettings
) -> Table:
    objects = photometer.objects
    flux, error, flags, kron = photometer.kron_apertures()
    if settings.aperture_radius_px is not None:
        flux, error, flags = photometer.circles(settings.aperture_radius_px)
    peaks = _peaks(pixels, objects)
    rows, columns = np.rint(photometer.y).astype(np.int64), np.rint(photometer.x).astype(np.int64)
    rows, columns = np.clip(rows, 0, pixels.shape[0] - 1), np.clip(columns, 0, pixels.shape[1] - 1)
    table = Table(
        {
            "x": objects["x"] + 1.0,
            "y": objects["y"] + 1.0,
            "xwin": photometer.x + 1.0,
            "ywin": photometer.y + 1.0,
            "xpeak": objects["xpeak"].astype(np.int64) + 1,
            "ypeak": objects["ypeak"].astype(np.int64) + 1,
            "peak": peaks,
            "a": objects["a"],
            "b": objects["b"],
            "theta": np.degrees(objects["theta"]),
            "ellipticity": 1.0 - objects["b"] / objects["a"],
            "kronrad": kron,
            "flux": flux,
            "fluxerr": error,
            "x2": objects["x2"],
            "y2": objects["y2"],
            "xy": objects["xy"],
            "background": pixels[rows, columns].astype(np.float64) - photometer.frame.net[rows, columns],
            **dict(zip(_LIGHT_RADII, photometer.light_radii(flux).T, strict=True)),
            "flag": _flags(objects, flags, peaks >= detector.saturation_adu),
            "sharpness": sharpness(photometer.frame, objects, fwhm_px=photometer.fwhm_px),
            "fwhm": widths.fwhm,
            "fwtm": widths.fwtm,
        }
    )
    radius = settings.aperture_radius_px or _AUTO_RADIUS_FWHM * photometer.fwhm_px
    table["flag"] |= np.where(_has_neighbour(photometer, flux, radius), FLAG_NEIGHBOUR, 0)
    if math.isfinite(widths.typical_fwhm):
        sharp = is_sharper_than_a_star(
            photometer.frame, objects, fwhm_px=photometer.fwhm_px, gain_e_per_adu=detector.gain_e_per_adu
        )
        # A clipped peak may be a single pixel of a trail of bled charge: it tells nothing.
        table["flag"] |= np.where(sharp & (peaks < detector.saturation_adu), FLAG_SHARP, 0)
    return table


def _peaks(pixels: Pixels, objects: NDArray[np.void]) -> FloatArray:
    peaks: FloatArray = pixels[objects["ypeak"], objects["xpeak"]].astype(np.float64)
    return peaks


def _flags(objects: NDArray[np.void], aperture_flags: IntArray, saturated: Mask) -> IntArray:
    flags: IntArray = np.where(objects["flag"] & sep.OBJ_MERGED, FLAG_BLENDED, 0)
    flags |= np.where(saturated, FLAG_SATURATED, 0)
    flags |= np.where(objects["flag"] & sep.OBJ_TRUNC, FLAG_TRUNCATED, 0)
    incomplete = aperture_flags & (sep.APER_TRUNC | sep.APER_HASMASKED)
    flags |= np.where(incomplete, FLAG_INCOMPLETE, 0)
    return flags


def _has_neighbour(photometer: _Photometer, flux: FloatArray, radius: float) -> Mask:
    """Tell which sources have another one within the aperture, and the width of a star, that matters."""
    pairs = cKDTree(np.column_stack([photometer.x, photometer.y])).query_pairs(
        radius + photometer.fwhm_px, output_type="ndarray"
    )
    disturbed = np.zeros(flux.shape, dtype=bool)
    for one, other in (pairs.T, pairs.T[::-1]):
        disturbed[one[flux[other] > _NEIGHBOUR_FLUX * flux[one]]] = True
    return disturbed


def _in_order(sources: Table) -> Table:
    sources = sources[np.asarray(sources["flux"]) > 0.0]
    sources = sources[np.argsort(-np.asarray(sources["flux"]), kind="stable")]
    for name in sources.colnames:
        sources[name].unit = _UNITS.get(name)
    return sources
