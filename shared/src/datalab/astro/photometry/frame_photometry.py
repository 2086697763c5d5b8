"""Photometry of a target and of the stars it may be compared with, on one frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, TypeAlias

import numpy as np

from datalab.astro.headers.detector import Detector
from datalab.astro.photometry.aperture import (
    ApertureSums,
    PixelNoise,
    aperture_offsets,
    measure,
    overlap_fractions,
)
from datalab.astro.photometry.aperture_geometry import ApertureGeometry
from datalab.astro.photometry.centroids import Centroids, centroids
from datalab.astro.photometry.local_sky import Annulus
from datalab.astro.photometry.mending import LOST_LIGHT_ERROR, MOST_LOST_SHARE, Damage, core_counts, damage
from datalab.astro.photometry.neighbourhoods import NO_TRAIL, Trail, batches, pixels_around
from datalab.astro.photometry.star_profile import StarProfile, star_profile
from datalab.astro.robust import SIGMA_PER_MAD
from datalab.astro.types import FloatArray, IntArray, Mask, Pixels

#: How the aperture of what moves during an exposure is: a pill where a circle would lose light, or always the one.
ApertureShape: TypeAlias = Literal["auto", "circle", "pill"]

#: A centre further from where the WCS has the star is another star's.
_MOST_SHIFT_PX = 6.0
#: Stars bright enough to show what a star looks like, in sigma, and how many are looked at.
_BRIGHT_SIGMA, _MOST_PROFILE_STARS = 30.0, 40
#: Of a trail's light: less outside of a circle is no matter; with more the magnitude is not the target's.
_LEAST_TRAIL_LOSS, _MOST_TRAIL_LOSS = 0.01, 0.1
#: Points of a trail at which the light within a circle is taken.
_TRAIL_POINTS = 15
#: Stars this much longer along a target's motion than across have followed it instead of standing still.
_TRAILED_STARS = 1.5
#: In a profile that is not trailed itself, a uniform trail of length L adds this times L squared to the squared width:
#: 8 ln 2 / 12. Half of it tells a trail.
_WIDTH_OF_TRAIL = 0.462
#: So many pixels of one value, the highest, are clipped: a star that is symmetric about a corner of pixels has four.
_CLIPPED_PIXELS = 5
#: Counts of a pixel's photon noise from which two pixels are not alike by chance.
_LEAST_NOISE_COUNTS = 2.0
#: Light beside the star's core, as a part of its light, that is worth a note, if the frame's stars do not have it too.
_BESIDE_SHARE, _BESIDE_SIGMA, _LEAST_STARS_TO_TELL = 0.05, 5.0, 5
#: A frame with more of its pixels saturated shows no stars.
_MOST_SATURATED_SHARE = 0.5


class About(StrEnum):
    """What remarks on a target are about, as they are summed up: `The target {about} on 3 frames`."""

    OFF_IMAGE = "is not on the image"
    UNCENTRED = "has no centroid and was measured at its WCS position"
    SATURATED = "is saturated"
    FILLED_IN = "has blank or cosmic-ray pixels in its aperture, whose light was filled in"
    LOST = "has too many blank or cosmic-ray pixels in its aperture"
    TRAILED = "or the stars are trailed"
    NEIGHBOUR = "has a neighbour's light in its aperture"
    NO_POINT = "has more light in its aperture than its core explains (an uncatalogued neighbour, or it is no point)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something special about a target on a frame; a flaw if its counts are not its brightness."""

    about: About
    text: str
    is_flaw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePhotometry:
    """Counts and positions (pixel i covers [i, i + 1)), shape (1 + stars,), of the target and then of the stars.

    NaN is what could not be measured. `target_remarks` say what is special about the target on this frame,
    `frame_notes` what is about the stars. `profile` is that of the frame's stars, `target_trail` what the target's
    aperture is a pill around. `target_ra_deg` and `target_dec_deg` are where `x` and `y` of the target are on the sky.
    """

    x: FloatArray
    y: FloatArray
    net: FloatArray
    sigma: FloatArray
    target_remarks: tuple[Remark, ...]
    frame_notes: tuple[str, ...] = ()
    profile: StarProfile | None = None
    target_trail: Trail = NO_TRAIL
    target_ra_deg: float = math.nan
    target_dec_deg: float = math.nan

    @property
    def target_notes(self) -> tuple[str, ...]:
        return tuple(remark.text for remark in self.target_remarks)

    @property
    def is_flawed(self) -> bool:
        """Whether the counts of the target are not its brightness."""
        return any(remark.is_flaw for remark in self.target_remarks)


def frame_fault(pixels: Pixels, saturation_adu: float) -> str | None:
    """Return why no star can be measured on a frame, None if some may be."""
    known = np.isfinite(pixels)
    if not known.any():
        return "all of its pixels are blank"
    values = pixels if known.all() else pixels[known]
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:
        return f"all of its pixels are {lowest:g}"
    if highest >= saturation_adu and np.mean(pixels >= saturation_adu) >= _MOST_SATURATED_SHARE:
        return f"most of its pixels are saturated, at {saturation_adu:g} counts or more"
    return None


def measure_frame(
    pixels: Pixels,
    geometry: ApertureGeometry,
    detector: Detector,
    *,
    target: tuple[float, float],
    stars_ra_deg: FloatArray,
    stars_dec_deg: FloatArray,
    target_at_end: tuple[float, float] | None = None,
    shape: ApertureShape = "auto",
) -> FramePhotometry:
    """Measure at the centres of light next to where the WCS has the target and the stars.

    A target without such a centre within 6 px is measured where the WCS has it: a faint one is worth a limit. A star
    without, a saturated one, and one too close to the target or to the edge is not measured.

    Blank pixels and cosmic rays are judged by the share of the star's light that they hide: a small one is filled in
    from the profile of the frame's stars, and its error added; with more than a tenth nothing is measured.

    Where the telescope stands still on the sky the target is trailed, where it follows the target the stars are: the
    stars' shape tells. If a circle would lose more than a hundredth of the light, the aperture is a pill.

    Args:
        pixels: shape (rows, columns), counts.
        geometry: of the frame.
        detector: of the frame.
        target: right ascension and declination, ICRS degrees, in the middle of the exposure.
        stars_ra_deg: likewise, shape (stars,).
        stars_dec_deg: likewise.
        target_at_end: where it is at the end of the exposure; None if it does not move.
        shape: of the aperture of what moves.
    """
    x, y = geometry.positions(np.append(target[0], stars_ra_deg), np.append(target[1], stars_dec_deg))
    wanted = np.isfinite(x) & np.isfinite(y)
    wanted[1:] &= geometry.suits_comparison(x[1:], y[1:], x[0], y[0])
    at = np.flatnonzero(wanted)
    frame = _Frame(pixels, geometry, detector)
    found = frame.measured(x[at], y[at], NO_TRAIL)
    profile = frame.profile(found, is_star=at > 0)
    trail = _trail(geometry, (x[0], y[0]), target_at_end)
    stars_trail, target_trail, trailed = _trails(trail, profile, geometry, shape, int(np.count_nonzero(at > 0)))
    if stars_trail.half_length_px:
        profile = StarProfile.assumed(geometry.radii_px.aperture)
        found = frame.measured(x[at], y[at], stars_trail)
    found = frame.mended(found, profile, stars_trail, with_hits=trailed is None)
    if wanted[0] and target_trail != stars_trail:
        alone = frame.measured(x[:1], y[:1], target_trail)
        found = found.with_first(frame.mended(alone, profile, target_trail, with_hits=False))

    good = (at == 0) | (found.centred & ~found.saturated)
    result = np.full((4, x.size), np.nan)
    result[:, at[good]] = np.stack([found.x, found.y, found.net, found.sigma])[:, good]
    remarks = [Remark(about=About.OFF_IMAGE, text="The target is not on this image.")]
    if wanted[0]:
        remarks = [*_target_remarks(found, detector), *([trailed] if trailed else [])]
        neighbour = None if trailed else frame.light_beside(found, profile)
        if neighbour:
            remarks.append(Remark(about=About.NO_POINT, text=neighbour))
    ra, dec = geometry.on_sky(result[0, 0], result[1, 0])
    return FramePhotometry(
        x=result[0],
        y=result[1],
        net=result[2],
        sigma=result[3],
        target_remarks=tuple(remarks),
        frame_notes=_stars_notes(found, at),
        profile=profile,
        target_trail=target_trail,
        target_ra_deg=float(ra),
        target_dec_deg=float(dec),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was measured of target and stars, arrays of shape (n,)."""

    wcs_x: FloatArray
    wcs_y: FloatArray
    x: FloatArray
    y: FloatArray
    net: FloatArray
    sigma: FloatArray
    sums: ApertureSums
    centres: Centroids
    shift_px: FloatArray
    centred: Mask
    saturated: Mask
    lost_share: FloatArray
    blank: IntArray
    hit: IntArray

    def with_first(self, other: _Found) -> _Found:
        """Return the same but for the first, which is that of `other`."""
        changed = {name: np.concatenate([getattr(other, name)[:1], getattr(self, name)[1:]]) for name in _OF_EACH}
        messages = (other.centres.messages[0], *self.centres.messages[1:])
        peak = np.concatenate([other.sums.peak[:1], self.sums.peak[1:]])
        return replace(
            self,
            **changed,
            centres=replace(self.centres, messages=messages),
            sums=replace(self.sums, peak=peak),
        )


_OF_EACH = (
    "wcs_x", "wcs_y", "x", "y", "net", "sigma", "shift_px", "centred", "saturated", "lost_share", "blank", "hit",
)  # fmt: skip


class _Frame:
    """Pixels of a frame, and how they are measured."""

    def __init__(self, pixels: Pixels, geometry: ApertureGeometry, detector: Detector) -> None:
        self._pixels = pixels
        self._radii = geometry.radii_px
        self._detector = detector
        self._noise = PixelNoise(
            gain_e=detector.gain_e_per_adu,
            read_noise_e=detector.read_noise_e,
            gain_is_known=detector.gain_is_known,
        )

    def measured(self, x: FloatArray, y: FloatArray, trail: Trail, *, pixels: Pixels | None = None) -> _Found:
        """Measure at the centres of light near places where the WCS has something."""
        pixels = self._pixels if pixels is None else pixels
        annulus = Annulus(inner_px=self._radii.inner, outer_px=self._radii.outer, trail=trail)
        box_px = self._radii.aperture + trail.half_length_px
        found = centroids(pixels, x, y, radius_px=box_px, annulus=annulus)
        shift = np.hypot(found.x - x, found.y - y)
        centred = found.success & (shift <= _MOST_SHIFT_PX)
        at_x, at_y = np.where(centred, found.x, x), np.where(centred, found.y, y)
        sums = measure(pixels, at_x, at_y, radius_px=self._radii.aperture, annulus=annulus, noise=self._noise)
        nothing = np.zeros(x.size, np.int64)
        return _Found(
            wcs_x=x,
            wcs_y=y,
            x=at_x,
            y=at_y,
            net=sums.net,
            sigma=sums.sigma,
            sums=sums,
            centres=found,
            shift_px=shift,
            centred=centred,
            saturated=(sums.peak >= self._detector.saturation_adu) | self._is_clipped(at_x, at_y, sums, trail),
            lost_share=np.zeros(x.size),
            blank=nothing,
            hit=nothing,
        )

    def profile(self, found: _Found, *, is_star: Mask) -> StarProfile:
        """Return the profile of the brightest stars; of the target if there are none."""
        counts = core_counts(
            self._pixels,
            found.x,
            found.y,
            level=found.sums.background,
            radius_px=self._radii.aperture,
            profile=StarProfile.assumed(self._radii.aperture),
        )
        area = math.pi * self._radii.aperture**2
        noise = np.sqrt(np.maximum(counts, 0.0) / found.sums.gain_e + area * found.sums.pixel_sigma**2)
        with np.errstate(invalid="ignore"):
            bright = found.centred & ~found.saturated & (counts > _BRIGHT_SIGMA * noise)
        use = bright & is_star if (bright & is_star).any() else bright
        chosen = np.flatnonzero(use)
        chosen = chosen[np.argsort(-(counts / noise)[chosen], kind="stable")][:_MOST_PROFILE_STARS]
        return star_profile(
            self._pixels,
            found.x[chosen],
            found.y[chosen],
            counts=counts[chosen],
            level=found.sums.background[chosen],
            aperture_px=self._radii.aperture,
        )

    def mended(self, found: _Found, profile: StarProfile, trail: Trail, *, with_hits: bool) -> _Found:
        """Return the same, but what little of a star is blank or hit is filled in."""
        usual = np.array(
            [np.median((there - wcs)[found.centred]) if found.centred.any() else 0.0 for there, wcs in
             ((found.x, found.wcs_x), (found.y, found.wcs_y))]
        )  # fmt: skip
        damaged: Damage = damage(
            self._pixels,
            found.x,
            found.y,
            expected_x=found.wcs_x + usual[0],
            expected_y=found.wcs_y + usual[1],
            level=found.sums.background,
            pixel_sigma=found.sums.pixel_sigma,
            gain_e=found.sums.gain_e,
            radius_px=self._radii.aperture,
            profile=profile,
            trail=trail,
            with_hits=with_hits,
        )
        at = np.flatnonzero(damaged.touched)
        if not at.size:
            return found
        filled = np.array(self._pixels, dtype=np.result_type(self._pixels.dtype, np.float32))
        filled[damaged.row, damaged.column] = damaged.value
        anew = self.measured(found.wcs_x[at], found.wcs_y[at], trail, pixels=filled)
        whole = damaged.lost_share[at] <= MOST_LOST_SHARE
        changed = {}
        for name in ("x", "y", "net", "sigma", "shift_px", "centred", "saturated"):
            values = getattr(found, name).copy()
            values[at] = getattr(anew, name)
            changed[name] = values
        changed["net"][at[~whole]] = np.nan
        lost = LOST_LIGHT_ERROR * damaged.lost_share[at] * np.abs(changed["net"][at])
        changed["sigma"][at] = np.where(whole, np.hypot(changed["sigma"][at], lost), np.nan)
        messages = list(found.centres.messages)
        for place, number in enumerate(at):
            messages[number] = anew.centres.messages[place]
        return replace(
            found,
            **changed,
            centres=replace(found.centres, messages=tuple(messages)),
            lost_share=damaged.lost_share,
            blank=damaged.blank,
            hit=damaged.hit,
        )

    def light_beside(self, found: _Found, profile: StarProfile) -> str | None:
        """Return a note if the aperture of the target has more light than a star of its core, None if not."""
        if profile.n_stars < _LEAST_STARS_TO_TELL or not found.net[0] > 0.0:
            return None
        core = core_counts(
            self._pixels,
            found.x,
            found.y,
            level=found.sums.background,
            radius_px=self._radii.aperture,
            profile=profile,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = found.net / core - 1.0
            noise = found.sigma / found.net
        stars = np.isfinite(excess[1:]) & (noise[1:] < 1.0 / _BRIGHT_SIGMA) & found.centred[1:]
        if np.count_nonzero(stars) < _LEAST_STARS_TO_TELL or not np.isfinite(excess[0]):
            return None
        usual = float(np.median(excess[1:][stars]))
        scatter = SIGMA_PER_MAD * float(np.median(np.abs(excess[1:][stars] - usual)))
        beyond = float(excess[0]) - usual
        if beyond <= max(_BESIDE_SHARE, _BESIDE_SIGMA * scatter, _BESIDE_SIGMA * 2.0 * float(noise[0])):
            return None
        return (
            f"{100 * beyond / (1 + float(excess[0])):.0f} % of the light in the aperture is not that of a star at its "
            "centre: a neighbour, or the target is no point."
        )

    def _is_clipped(self, x: FloatArray, y: FloatArray, sums: ApertureSums, trail: Trail) -> Mask:
        """Tell which stars have so many pixels at the highest value that it is a limit, whether it is known or not."""
        near = aperture_offsets(self._radii.aperture, trail)
        clipped = np.zeros(x.size, np.bool_)
        for part in batches(x.size, near[0].size):
            values, dx, dy = pixels_around(self._pixels, x[part], y[part], near)
            inside = trail.distances(dx, dy) <= self._radii.aperture
            values = np.where(inside & np.isfinite(values), values, -np.inf)
            peak = values.max(axis=1, initial=-np.inf)
            noise = np.sqrt(np.maximum(peak - sums.background[part], 0.0) / sums.gain_e[part])
            alike = np.count_nonzero(values == peak[:, np.newaxis], axis=1) >= _CLIPPED_PIXELS
            clipped[part] = alike & np.isfinite(peak) & (noise >= _LEAST_NOISE_COUNTS)
        return clipped


def _trail(geometry: ApertureGeometry, middle: tuple[float, float], target_at_end: tuple[float, float] | None) -> Trail:
    if target_at_end is None:
        return NO_TRAIL
    (end_x,), (end_y,) = geometry.positions(np.array([target_at_end[0]]), np.array([target_at_end[1]]))
    half = float(end_x - middle[0]), float(end_y - middle[1])
    return Trail(half_x_px=half[0], half_y_px=half[1]) if all(map(math.isfinite, half)) else NO_TRAIL


def _trails(
    trail: Trail, profile: StarProfile, geometry: ApertureGeometry, shape: ApertureShape, stars: int
) -> tuple[Trail, Trail, Remark | None]:
    """Return the trails of the stars' apertures and of the target's, and a remark if there are any."""
    radius = geometry.radii_px.aperture
    lost = _lost_by_trail(trail, radius, profile)
    if lost < _LEAST_TRAIL_LOSS and not (shape == "pill" and trail.half_length_px):
        return NO_TRAIL, NO_TRAIL, None
    length = 2.0 * trail.half_length_px
    along, across = profile.widths_px(trail.half_x_px / trail.half_length_px, trail.half_y_px / trail.half_length_px)
    of_stars = stars > 0 and (
        along > _TRAILED_STARS * across or along**2 - across**2 > 0.5 * _WIDTH_OF_TRAIL * length**2
    )
    what = "stars are" if of_stars else "target is"
    said = f"The {what} trailed by {length:.1f} px during the exposure; the aperture has a radius of {radius:.1f} px"
    if shape == "circle":
        text = f"{said}: a circle loses {100 * lost:.0f} % of the light, a pill (aperture_shape) would not."
        remark = Remark(about=About.TRAILED, text=text, is_flaw=lost > _MOST_TRAIL_LOSS)
        return NO_TRAIL, NO_TRAIL, remark
    remark = Remark(about=About.TRAILED, text=f"{said}: measured in a pill along the trail.")
    return (trail, NO_TRAIL, remark) if of_stars else (NO_TRAIL, trail, remark)


def _lost_by_trail(trail: Trail, radius_px: float, profile: StarProfile) -> float:
    """Return the share of the light that a circle loses of what moves, and has of what does not."""
    if not trail.half_length_px:
        return 0.0
    if trail.half_length_px > 20.0 * radius_px:
        return 1.0
    reach = math.ceil(radius_px) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    inside = overlap_fractions(columns, rows, radius_px)
    still = float((inside * profile.at(columns, rows)).sum())
    moved = [
        float((inside * profile.at(columns - part * trail.half_x_px, rows - part * trail.half_y_px)).sum())
        for part in np.linspace(-1.0, 1.0, _TRAIL_POINTS)
    ]
    return max(0.0, 1.0 - float(np.mean(moved)) / still) if still > 0.0 else 0.0


def _target_remarks(found: _Found, detector: Detector) -> Iterator[Remark]:
    at_wcs = "The target was measured at its WCS position"
    if found.shift_px[0] > _MOST_SHIFT_PX:
        text = f"{at_wcs}: the nearest centroid is {found.shift_px[0]:.1f} px away."
        yield Remark(about=About.UNCENTRED, text=text)
    elif not found.centred[0]:
        yield Remark(about=About.UNCENTRED, text=f"{at_wcs}: {found.centres.messages[0]}")
    if found.saturated[0]:
        limit = f", which saturates at {detector.saturation_adu:.0f}" if math.isfinite(detector.saturation_adu) else ""
        text = f"The target is saturated: its brightest pixels have {found.sums.peak[0]:.0f} counts{limit}."
        yield Remark(about=About.SATURATED, text=text, is_flaw=True)
    lost, what = found.lost_share[0], _what(int(found.blank[0]), int(found.hit[0]))
    if lost > MOST_LOST_SHARE:
        text = f"{100 * lost:.0f} % of the target's light is lost to {what} of its aperture, blank or off the image."
        yield Remark(about=About.LOST, text=text, is_flaw=True)
    elif not np.isfinite(found.net[0]):
        text = "The target has no counts: pixels of its aperture or all of its sky are blank or off the image."
        yield Remark(about=About.LOST, text=text, is_flaw=True)
    elif lost > 0.0:
        text = f"{100 * lost:.1f} % of the target's light was filled in, of {what} of its aperture."
        yield Remark(about=About.FILLED_IN, text=text)


def _stars_notes(found: _Found, at: IntArray) -> tuple[str, ...]:
    damaged = (at > 0) & (found.lost_share > 0.0)
    left_out = int(np.count_nonzero(damaged & ~np.isfinite(found.net)))
    filled_in = int(np.count_nonzero(damaged)) - left_out
    notes = []
    if filled_in:
        notes.append(f"{filled_in} comparison star(s): blank pixels or cosmic rays were filled in.")
    if left_out:
        notes.append(f"{left_out} comparison star(s) left out: too much of their light is blank or hit by cosmic rays.")
    return tuple(notes)


def _what(blank: int, hit: int) -> str:
    parts = [f"{count} {what} pixel(s)" for count, what in ((blank, "blank"), (hit, "cosmic-ray")) if count]
    return " and ".join(parts) or "pixels"
