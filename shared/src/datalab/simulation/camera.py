"""One exposure: light from a field, through air and telescope, onto the camera, into pixels, header and catalogue."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from datalab.simulation.conditions import Conditions, Pointing, tangent_wcs
from datalab.simulation.detector import ADC_LIMIT_ADU, Camera, FloatArray, PixelArray
from datalab.simulation.frame_header import (
    RAW_LEVEL,
    REDUCED_LEVEL,
    FrameIdentity,
    add_quality_cards,
    add_sky_cards,
    frame_header,
)
from datalab.simulation.psf import Moffat
from datalab.simulation.sky import SkySnapshot, StarField
from datalab.simulation.source_catalogue import Catalogue, Detections, Frame, catalogue_zero_point_mag, detect, measure

__all__ = ["Camera", "Conditions", "Exposure", "Pointing", "Truth", "calibration_exposure", "expose"]

CalibrationType = Literal["BIAS", "DARK", "SKYFLAT"]

PEDESTAL_ADU = 200.0  # added to reduced frames so that noise around zero survives unsigned pixels
_TRAIL_STEP_PX = 0.5
_LIGHT_FROM_OUTSIDE = 1e-5  # a star beyond the edge counts as far as all but this share of its light would reach
_SKYFLAT_LEVEL = 0.4  # of the range between bias and saturation: bright, and safely linear


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is really in a frame; arrays of shape (n,) over the sources whose centre lies on the chip.

    `x, y`: 0-based pixels, whole numbers at pixel centres, at mid-exposure (as `magnitude`, above the atmosphere,
    is). `flux_e`: electrons the whole source gives where the flat is 1; `flux_adu` = flux_e / gain. `zero_point_mag`:
    magnitude = zero_point_mag - 2.5 log10(flux_adu). `cosmic_rays` (rows, columns): where they hit.
    """

    names: tuple[str, ...]
    x: FloatArray
    y: FloatArray
    ra_deg: FloatArray
    dec_deg: FloatArray
    magnitude: FloatArray
    flux_e: FloatArray
    flux_adu: FloatArray
    is_moving: NDArray[np.bool_]
    mid_exposure: datetime | None
    filter_name: str
    fwhm_px: float
    sky_e_per_px: float
    sky_adu_per_px: float
    zero_point_mag: float
    cosmic_rays: NDArray[np.bool_]

    def index(self, name: str) -> int:
        """The place of a source in the arrays. Raises ValueError if it is not on the chip."""
        return self.names.index(name)

    def as_json(self) -> dict[str, Any]:
        """The same for `json.dumps`: sources as a list of objects, cosmic rays as a list of [row, column]."""
        sources = [
            {
                "name": name,
                **{
                    key: getattr(self, key)[i].item()
                    for key in ("x", "y", "ra_deg", "dec_deg", "magnitude", "flux_e", "flux_adu", "is_moving")
                },
            }
            for i, name in enumerate(self.names)
        ]
        return {
            "mid_exposure": None if self.mid_exposure is None else self.mid_exposure.isoformat(),
            "filter_name": self.filter_name,
            "fwhm_px": self.fwhm_px,
            "sky_e_per_px": self.sky_e_per_px,
            "sky_adu_per_px": self.sky_adu_per_px,
            "zero_point_mag": None if math.isnan(self.zero_point_mag) else self.zero_point_mag,
            "sources": sources,
            "cosmic_rays": np.argwhere(self.cosmic_rays).tolist(),
        }


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """A frame at the observatory: pixels (rows, columns), header, source catalogue (None for calibrations), truth."""

    pixels: PixelArray
    header: Header
    catalogue: Catalogue | None
    truth: Truth
    identity: FrameIdentity


def expose(
    *,
    field: StarField,
    camera: Camera,
    conditions: Conditions,
    pointing: Pointing,
    filter_name: str,
    exposure_s: float,
    time: datetime,
    seed: int,
    identity: FrameIdentity | None = None,
    reduced: bool = False,
) -> Exposure:
    """Take a picture of the sky.

    `time` (aware, UTC) is the start of the exposure. `reduced` gives what the site's pipeline makes of the raw frame:
    bias and dark subtracted, flat divided out, `PEDESTAL_ADU` added, level 91 in the header. The target is the source
    named `identity.object_name` if the field has one, else the pointing. Equal arguments give equal pixels. Raises
    KeyError for an unknown filter, ValueError if the target stands below the horizon.
    """
    identity = identity or FrameIdentity()
    rng = np.random.default_rng(seed)
    wcs = tangent_wcs(camera, pointing, conditions)
    psf = Moffat(conditions.seeing_fwhm_arcsec / camera.pixel_scale_arcsec, camera.psf_beta)
    zero_point_e = camera.zero_points_mag[filter_name] - conditions.dimming_mag(filter_name)
    # The night sky shines inside the atmosphere: it is not dimmed again.
    sky_magnitude = conditions.sky_brightness_mag_per_arcsec2(filter_name) - camera.zero_points_mag[filter_name]
    sky_e_per_px = exposure_s * camera.pixel_scale_arcsec**2 * 10.0 ** (-0.4 * sky_magnitude)

    middle = field.at(time + timedelta(seconds=exposure_s / 2.0), filter_name)
    flux_e = exposure_s * 10.0 ** (-0.4 * (middle.magnitude - zero_point_e))
    start_and_end = [field.at(moment, filter_name) for moment in (time, time + timedelta(seconds=exposure_s))]
    light = np.full(camera.shape, sky_e_per_px)
    _add_sources(light, psf, flux_e, *(_pixel_positions(wcs, snapshot) for snapshot in start_and_end))

    cosmic_e = camera.cosmic_rays(exposure_s, rng)
    raw = _integrate(light, cosmic_e, camera, exposure_s, rng)
    linear = (raw - camera.bias_level_adu - camera.dark_rate_e_per_s * exposure_s / camera.gain_e_per_adu) / camera.flat
    pixels = _reduce(raw, linear, camera) if reduced else raw
    saturation_adu = _reduced_saturation(camera) if reduced else camera.saturation_adu

    x, y = _pixel_positions(wcs, middle)
    on_chip = np.flatnonzero(_near_chip(x, y, camera.shape, margin_px=0.0))
    truth = Truth(
        names=tuple(middle.names[i] for i in on_chip),
        x=x[on_chip],
        y=y[on_chip],
        ra_deg=middle.ra_deg[on_chip],
        dec_deg=middle.dec_deg[on_chip],
        magnitude=middle.magnitude[on_chip],
        flux_e=flux_e[on_chip],
        flux_adu=flux_e[on_chip] / camera.gain_e_per_adu,
        is_moving=middle.is_moving[on_chip],
        mid_exposure=time + timedelta(seconds=exposure_s / 2.0),
        filter_name=filter_name,
        fwhm_px=psf.fwhm_px,
        sky_e_per_px=sky_e_per_px,
        sky_adu_per_px=sky_e_per_px / camera.gain_e_per_adu,
        zero_point_mag=zero_point_e + 2.5 * math.log10(exposure_s / camera.gain_e_per_adu),
        cosmic_rays=cosmic_e > 0.0,
    )
    frame = Frame(
        linear=linear,
        product=pixels,
        wcs=wcs,
        psf=psf,
        pixel_scale_arcsec=camera.pixel_scale_arcsec,
        gain_e_per_adu=camera.gain_e_per_adu,
        saturation_adu=saturation_adu,
        exposure_s=exposure_s,
        zero_point_mag=truth.zero_point_mag,
    )
    catalogue = measure(frame, _detections(truth, camera, psf, exposure_s))

    header = frame_header(
        identity=identity,
        camera=camera,
        time=time,
        exposure_s=exposure_s,
        filter_name=filter_name,
        observation_type="EXPOSE",
        reduction_level=REDUCED_LEVEL if reduced else RAW_LEVEL,
        saturation_adu=saturation_adu,
    )
    target = _target(identity.object_name, start_and_end[0]) or pointing
    add_sky_cards(header, wcs=wcs, pointing=pointing, target=target, conditions=conditions, identity=identity)
    add_quality_cards(
        header,
        fwhm_arcsec=conditions.seeing_fwhm_arcsec,
        sky_adu=truth.sky_adu_per_px + (PEDESTAL_ADU if reduced else 0.0),
        n_catalogued=catalogue.size,
        zero_point_mag=catalogue_zero_point_mag(frame),
    )
    if reduced:
        header["PEDESTAL"] = (PEDESTAL_ADU, "[count] Added to every pixel")
    return Exposure(pixels=pixels, header=header, catalogue=catalogue, truth=truth, identity=identity)


def calibration_exposure(
    *,
    camera: Camera,
    kind: CalibrationType,
    exposure_s: float,
    time: datetime,
    seed: int,
    filter_name: str = "",
    identity: FrameIdentity | None = None,
) -> Exposure:
    """A raw bias (give 0 s), dark or twilight-sky flat; no WCS, no catalogue."""
    identity = identity or FrameIdentity()
    rng = np.random.default_rng(seed)
    level_e = (
        _SKYFLAT_LEVEL * (camera.saturation_adu - camera.bias_adu) * camera.gain_e_per_adu if kind == "SKYFLAT" else 0.0
    )
    cosmic_e = camera.cosmic_rays(exposure_s, rng)
    raw = _integrate(np.full(camera.shape, level_e), cosmic_e, camera, exposure_s, rng)
    nothing = np.empty(0)
    truth = Truth(
        names=(),
        **dict.fromkeys(("x", "y", "ra_deg", "dec_deg", "magnitude", "flux_e", "flux_adu"), nothing),
        is_moving=nothing.astype(bool),
        mid_exposure=time + timedelta(seconds=exposure_s / 2.0),
        filter_name=filter_name,
        fwhm_px=0.0,
        sky_e_per_px=level_e,
        sky_adu_per_px=level_e / camera.gain_e_per_adu,
        zero_point_mag=math.nan,
        cosmic_rays=cosmic_e > 0.0,
    )
    header = frame_header(
        identity=identity,
        camera=camera,
        time=time,
        exposure_s=exposure_s,
        filter_name=filter_name or "opaque",
        observation_type=kind,
        reduction_level=RAW_LEVEL,
        saturation_adu=camera.saturation_adu,
    )
    return Exposure(pixels=raw, header=header, catalogue=None, truth=truth, identity=identity)


def _pixel_positions(wcs: WCS, snapshot: SkySnapshot) -> tuple[FloatArray, FloatArray]:
    """0-based pixels; NaN for what lies on the far half of the sky, where a tangent plane has no image."""
    crval_ra, crval_dec = np.radians(wcs.wcs.crval)
    ra, dec = np.radians(snapshot.ra_deg), np.radians(snapshot.dec_deg)
    cosine = np.sin(crval_dec) * np.sin(dec) + np.cos(crval_dec) * np.cos(dec) * np.cos(ra - crval_ra)
    x, y = wcs.wcs_world2pix(snapshot.ra_deg, snapshot.dec_deg, 0)
    return np.where(cosine > 0.0, x, np.nan), np.where(cosine > 0.0, y, np.nan)


def _near_chip(x: FloatArray, y: FloatArray, shape: tuple[int, int], *, margin_px: float) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = (np.abs(x - (shape[1] - 1) / 2.0) <= shape[1] / 2.0 + margin_px) & (
        np.abs(y - (shape[0] - 1) / 2.0) <= shape[0] / 2.0 + margin_px
    )
    return near


def _add_sources(
    light: FloatArray,
    psf: Moffat,
    flux_e: FloatArray,
    start: tuple[FloatArray, FloatArray],
    end: tuple[FloatArray, FloatArray],
) -> None:
    """Draw each source along its way during the exposure: points of equal light, at most half a pixel apart.

    The points are the middles of equal pieces, so the light's centre is the position at mid-exposure.
    """
    reach = psf.radius_enclosing(1.0 - _LIGHT_FROM_OUTSIDE)
    sources = np.flatnonzero(_near_chip(*start, light.shape, margin_px=reach))
    (x0, y0), (x1, y1) = ((x[sources], y[sources]) for x, y in (start, end))
    pieces = 1 + np.floor(np.hypot(x1 - x0, y1 - y0) / _TRAIL_STEP_PX).astype(np.int64)
    which = np.repeat(np.arange(sources.size), pieces)
    firsts = np.repeat(np.cumsum(pieces) - pieces, pieces)
    part = (np.arange(which.size) - firsts + 0.5) / pieces[which]
    x, y = x0[which] + part * (x1 - x0)[which], y0[which] + part * (y1 - y0)[which]
    psf.add_sources(light, x, y, flux_e[sources][which] / pieces[which])


def _integrate(
    light_e: FloatArray, cosmic_e: FloatArray, camera: Camera, exposure_s: float, rng: np.random.Generator
) -> PixelArray:
    """Raw pixels for the mean number of photons (rows, columns) that would be detected where the flat is 1."""
    mean_e = light_e * camera.flat + camera.dark_rate_e_per_s * exposure_s
    return camera.read_out(rng.poisson(mean_e) + cosmic_e, rng)


def _reduce(raw: PixelArray, linear: FloatArray, camera: Camera) -> PixelArray:
    product = np.clip(np.rint(linear + PEDESTAL_ADU), 0, ADC_LIMIT_ADU).astype(np.uint16)
    # Bias and dark subtraction would let a saturated pixel slip below the level that SATURATE announces.
    saturated = raw >= camera.saturation_adu
    product[saturated] = np.maximum(product[saturated], math.ceil(_reduced_saturation(camera)))
    return product


def _reduced_saturation(camera: Camera) -> float:
    return math.floor((camera.saturation_adu - camera.bias_adu) / float(camera.flat.max()) + PEDESTAL_ADU)


def _detections(truth: Truth, camera: Camera, psf: Moffat, exposure_s: float) -> Detections:
    variance_e = truth.sky_e_per_px + camera.dark_current_e_per_s * exposure_s + camera.read_noise_e**2
    return detect(
        x=truth.x,
        y=truth.y,
        flux_adu=truth.flux_adu,
        noise_adu_per_px=math.sqrt(variance_e) / camera.gain_e_per_adu,
        gain_e_per_adu=camera.gain_e_per_adu,
        shape=camera.shape,
        psf=psf,
    )


def _target(name: str, snapshot: SkySnapshot) -> Pointing | None:
    if name not in snapshot.names:
        return None
    i = snapshot.names.index(name)
    return Pointing(ra_deg=float(snapshot.ra_deg[i]), dec_deg=float(snapshot.dec_deg[i]))
