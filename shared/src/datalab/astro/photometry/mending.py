"""Blank pixels and cosmic rays on stars: what they hide is filled in from the profile of the frame's stars.

Positions are counted as in `neighbourhoods`: the centre of pixel [0, 0] is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datalab.astro.photometry.aperture import overlap_fractions
from datalab.astro.photometry.neighbourhoods import NO_TRAIL, Trail, batches, boxes
from datalab.astro.photometry.star_profile import StarProfile
from datalab.astro.robust import medians_of_known
from datalab.astro.types import FloatArray, IntArray, Mask, Pixels

#: Of a star's light, as the profile has it: with more of it blank or hit, the star is not measured.
MOST_LOST_SHARE = 0.1
#: How well the profile gives the light that is lost, as a part of it (benchmarks/photometry_truth.py).
LOST_LIGHT_ERROR = 0.1
#: A hit stands out by so many sigma of noise and profile; pixels beside it belong to it by fewer.
_HIT_SIGMA, _BESIDE_SIGMA = 6.0, 3.0
#: What the profile may be wrong by: of a pixel's light, and of that of the brightest.
_PROFILE_ERROR, _PEAK_ERROR = 0.05, 0.01
#: From a pixel that is surely hit, a track is followed so far.
_LONGEST_TRACK_PX = 8
#: A hit is so much steeper than a star: two opposite neighbours have less than this of what a star's would have.
_STEEPNESS = 0.5
#: Narrower stars are as sharp as hits. Fewer stars do not tell what a star looks like.
_LEAST_FWHM_PX, _LEAST_STARS = 2.0, 5
#: Pixels with more than this share of the brightest one's light tell how bright a star is.
_CORE = 0.2
#: Of the search for the centre of a damaged star: how far from where it is expected, in which steps.
_SEARCH_PX, _STEP_PX, _FINE_STEP_PX = 2.0, 0.5, 0.125
#: Less light than this, if it is only blank, does not draw a centre away.
_LEAST_LOST_SHARE = 0.005
#: Residuals in the search count up to so many sigma: a few damaged pixels have no say.
_MOST_SIGMA = 3.0
#: Rows and columns to one of two opposite neighbours.
_TO_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What of stars is blank or hit, arrays of shape (stars,), and pixels to be filled in, of shape (pixels,).

    `lost_share` of a star's light in the aperture is in its `blank` and `hit` pixels, which are counted. `row`,
    `column` and `value` say what to put where, in the apertures of `touched` stars and around them.
    """

    touched: Mask
    lost_share: FloatArray
    blank: IntArray
    hit: IntArray
    row: IntArray
    column: IntArray
    value: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stars:
    """Boxes of pixels around stars, less the sky: shape (stars, side, side); of shape (stars, 1, 1) what each has once.

    `dx` and `dy` are from the centre; `sigma` is the noise of a pixel of the sky, in counts.
    """

    light: FloatArray
    dx: FloatArray
    dy: FloatArray
    sigma: FloatArray
    gain_e: FloatArray

    def only(self, star: int) -> _Stars:
        one = slice(star, star + 1)
        return _Stars(
            light=self.light[one], dx=self.dx[one], dy=self.dy[one], sigma=self.sigma[one], gain_e=self.gain_e[one]
        )

    def moved(self, x: float, y: float) -> _Stars:
        return replace(self, dx=self.dx - x, dy=self.dy - y)

    def within(self, reach_px: float) -> _Stars:
        """Return smaller boxes, with what is no further from the centre than that along either axis."""
        column, row = (np.flatnonzero(np.abs(offset) <= reach_px) for offset in (self.dx[0, 0, :], self.dy[0, :, 0]))
        cut = np.s_[:, row[0] : row[-1] + 1, column[0] : column[-1] + 1]
        return replace(self, light=self.light[cut], dx=self.dx[cut], dy=self.dy[cut])


def damage(
    pixels: Pixels,
    x: FloatArray,
    y: FloatArray,
    *,
    expected_x: FloatArray,
    expected_y: FloatArray,
    level: FloatArray,
    pixel_sigma: FloatArray,
    gain_e: FloatArray,
    radius_px: float,
    profile: StarProfile,
    trail: Trail = NO_TRAIL,
    with_hits: bool = True,
) -> Damage:
    """Find blank pixels and cosmic rays on stars.

    A cosmic ray is light that the profile does not explain, and steeper than a star's: a neighbour is not one. On
    stars narrower than 2 pixels, on trails, and with fewer than 5 stars in the profile none are found.

    Args:
        pixels: shape (rows, columns), counts.
        x: columns of the centres, shape (stars,).
        y: rows, likewise.
        expected_x: where the centres are if nothing draws them away, likewise: there those of damaged stars are
            searched.
        expected_y: likewise.
        level: of the sky, counts per pixel, likewise.
        pixel_sigma: noise of a pixel of the sky, counts, likewise.
        gain_e: electrons per count, likewise.
        radius_px: of the aperture.
        profile: of the frame's stars.
        trail: of all these stars.
        with_hits: whether to look for cosmic rays: what is trailed in a circle looks like one.
    """
    half = int(np.ceil(radius_px + trail.half_length_px)) + 3
    known = profile.n_stars >= _LEAST_STARS and profile.fwhm_px >= _LEAST_FWHM_PX
    looks_for_hits = with_hits and known and not trail.half_length_px
    touched = np.zeros(x.size, np.bool_)
    lost, blank, hit = np.zeros(x.size), np.zeros(x.size, np.int64), np.zeros(x.size, np.int64)
    rows, columns, values = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for part in batches(x.size, (2 * half + 1) ** 2) if x.size else ():
        centre = np.stack([x[part], y[part]], axis=1)
        first = np.floor(centre).astype(np.int64) - half
        light, dx, dy = boxes(pixels, first, 2 * half, centre)
        stars = _Stars(
            light=light - _each(level[part]),
            dx=np.broadcast_to(dx, light.shape),
            dy=np.broadcast_to(dy, light.shape),
            sigma=_each(pixel_sigma[part]),
            gain_e=_each(gain_e[part]),
        )
        damaged = ~np.isfinite(light).all(axis=(1, 2))
        if looks_for_hits:
            damaged |= _hits(stars, profile, radius_px).any(axis=(1, 2))
        for place in np.flatnonzero(damaged).tolist():
            number = part.start + place
            star = stars.only(place)
            if looks_for_hits and _is_drawn_away(star, profile, radius_px):
                away = float(expected_x[number] - x[number]), float(expected_y[number] - y[number])
                star = star.moved(*_centre(star, profile, radius_px, near=away))
            is_blank = ~np.isfinite(star.light[0])
            is_hit = _hits(star, profile, radius_px)[0] if looks_for_hits else np.zeros_like(is_blank)
            shares, net = _model(star, profile, radius_px, trail)
            inside = overlap_fractions(star.dx[0], star.dy[0], radius_px, trail)
            bad = is_blank | is_hit
            touched[number] = bad.any()
            lost[number] = float((inside * shares[0])[bad].sum()) if np.isfinite(net[0, 0, 0]) else 1.0
            blank[number] = np.count_nonzero(is_blank & (inside > 0.0))
            hit[number] = np.count_nonzero(is_hit & (inside > 0.0))
            row, column = np.nonzero(bad)
            rows.append(first[place, 1] + row)
            columns.append(first[place, 0] + column)
            values.append(level[number] + net[0, 0, 0] * shares[0][bad])
    row, column, value = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
    usable = (row >= 0) & (row < pixels.shape[0]) & (column >= 0) & (column < pixels.shape[1]) & np.isfinite(value)
    return Damage(
        touched=touched,
        lost_share=lost,
        blank=blank,
        hit=hit,
        row=row[usable],
        column=column[usable],
        value=value[usable],
    )


def core_counts(
    pixels: Pixels, x: FloatArray, y: FloatArray, *, level: FloatArray, radius_px: float, profile: StarProfile
) -> FloatArray:
    """Return the counts of stars by their cores alone, shape (stars,): what lies beside them has no say."""
    half = int(np.ceil(radius_px)) + 2
    found = np.full(x.size, np.nan)
    for part in batches(x.size, (2 * half + 1) ** 2) if x.size else ():
        centre = np.stack([x[part], y[part]], axis=1)
        light, dx, dy = boxes(pixels, np.floor(centre).astype(np.int64) - half, 2 * half, centre)
        one = np.ones((len(centre), 1, 1))
        stars = _Stars(
            light=light - _each(level[part]),
            dx=np.broadcast_to(dx, light.shape),
            dy=np.broadcast_to(dy, light.shape),
            sigma=one,
            gain_e=one,
        )
        found[part] = _model(stars, profile, radius_px, NO_TRAIL)[1][:, 0, 0]
    return found


def _each(values: FloatArray) -> FloatArray:
    return values[:, np.newaxis, np.newaxis]


def _model(
    stars: _Stars, profile: StarProfile, radius_px: float, trail: Trail = NO_TRAIL
) -> tuple[FloatArray, FloatArray]:
    """Return the share of each star's light per pixel, and its counts by its core: NaN where nothing is known of it."""
    shares = profile.at(stars.dx, stars.dy, trail)
    inside = trail.distances(stars.dx, stars.dy) <= radius_px
    shares = shares / np.maximum((inside * shares).sum(axis=(1, 2), keepdims=True), 1e-9)
    core = (shares >= _CORE * shares.max(axis=(1, 2), keepdims=True)) & np.isfinite(stars.light)
    by_pixel = np.where(core, stars.light / np.maximum(shares, 1e-12), np.nan).reshape(len(shares), -1)
    net = _each(np.maximum(medians_of_known(by_pixel), 0.0))
    return shares, net


def _hits(stars: _Stars, profile: StarProfile, radius_px: float) -> Mask:
    """Tell which pixels are lit by cosmic rays, shape (stars, side, side)."""
    shares, net = _model(stars, profile, radius_px)
    excess = np.where(np.isfinite(stars.light), stars.light - net * shares, 0.0)
    sigma = _sigma(stars, shares, net, profile)
    padded = np.pad(excess, ((0, 0), (1, 1), (1, 1)))
    side = excess.shape[1]
    steep = np.zeros(excess.shape, np.bool_)
    for row, column in _TO_NEIGHBOURS:
        opposite = padded[:, 1 + row : 1 + row + side, 1 + column : 1 + column + side]
        opposite = opposite + padded[:, 1 - row : 1 - row + side, 1 - column : 1 - column + side]
        offset = np.array([[float(column)], [0.0]])
        of_a_star = float(profile.at(offset, np.array([[float(row)], [0.0]]))[0, 0]) / float(profile.share[0])
        steep |= 0.5 * opposite < _STEEPNESS * of_a_star * excess
    # At the border of the box half of what lies beside a pixel is not seen: a star beyond would look steep.
    steep[:, [0, -1], :] = steep[:, :, [0, -1]] = False
    hit: Mask = (excess > _HIT_SIGMA * sigma) & steep
    if not hit.any():
        return hit
    may_be = excess > _BESIDE_SIGMA * sigma
    for _ in range(_LONGEST_TRACK_PX):
        beside = np.pad(hit, ((0, 0), (1, 1), (1, 1)))
        near = np.zeros_like(hit)
        for row in (0, 1, 2):
            for column in (0, 1, 2):
                near |= beside[:, row : row + side, column : column + side]
        more = near & may_be & ~hit
        if not more.any():
            break
        hit |= more
    return hit


def _sigma(stars: _Stars, shares: FloatArray, net: FloatArray, profile: StarProfile) -> FloatArray:
    """Return what pixels may differ from the model by, counts, one sigma."""
    expected = net * shares
    sigma: FloatArray = np.sqrt(
        stars.sigma**2
        + expected / stars.gain_e
        + (net * profile.scatter_at(stars.dx, stars.dy)) ** 2
        + (_PROFILE_ERROR * expected) ** 2
        + (_PEAK_ERROR * net * profile.share[0]) ** 2
    )
    return sigma


def _is_drawn_away(star: _Stars, profile: StarProfile, radius_px: float) -> bool:
    if _hits(star, profile, radius_px).any():
        return True
    shares, _ = _model(star, profile, radius_px)
    inside = overlap_fractions(star.dx, star.dy, radius_px)
    return float((inside * shares)[~np.isfinite(star.light)].sum()) > _LEAST_LOST_SHARE


def _centre(star: _Stars, profile: StarProfile, radius_px: float, *, near: tuple[float, float]) -> tuple[float, float]:
    """Return how far the centre of a damaged star is from where its light has it, x and y.

    Of places around that and around where the star is expected, it is the one with the smallest residuals.
    """
    reach = _SEARCH_PX + 1.5 * profile.fwhm_px + float(np.nan_to_num(np.hypot(*near)))
    star = star.within(min(reach, 2.0 * radius_px))
    steps = np.arange(-_SEARCH_PX, _SEARCH_PX + _STEP_PX / 2, _STEP_PX)
    x, y = (grid.ravel() for grid in np.meshgrid(steps, steps))
    if all(np.isfinite(near)):
        x, y = np.concatenate([x, x + near[0]]), np.concatenate([y, y + near[1]])
    costs = _costs(star, profile, radius_px, x, y)
    best = int(np.argmin(costs))
    fine = np.arange(-_STEP_PX, _STEP_PX + _FINE_STEP_PX / 2, _FINE_STEP_PX)
    fine_x, fine_y = (grid.ravel() for grid in np.meshgrid(x[best] + fine, y[best] + fine))
    costs = _costs(star, profile, radius_px, fine_x, fine_y)
    best = int(np.argmin(costs))
    return float(fine_x[best]), float(fine_y[best])


def _costs(star: _Stars, profile: StarProfile, radius_px: float, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the sum of squared residuals, of large ones only in part, with the star at each of some places."""
    shape = (x.size, *star.light.shape[1:])
    there = _Stars(
        light=np.broadcast_to(star.light, shape),
        dx=star.dx - _each(x),
        dy=star.dy - _each(y),
        sigma=np.broadcast_to(star.sigma, (x.size, 1, 1)),
        gain_e=np.broadcast_to(star.gain_e, (x.size, 1, 1)),
    )
    shares, net = _model(there, profile, radius_px)
    residuals = (there.light - net * shares) / _sigma(there, shares, net, profile)
    squared = np.minimum(np.where(np.isfinite(residuals), residuals, 0.0) ** 2, _MOST_SIGMA**2)
    costs: FloatArray = squared.sum(axis=(1, 2))
    return costs
