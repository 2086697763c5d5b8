"""Pairs of images as observatories have them, drawn at random by kind: few stars, trails, hot pixels, other cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from datalab.simulation.image_pairs import Detector, Exposure, ImagePair
from datalab.simulation.psf import Moffat

FloatArray = NDArray[np.float64]
Headers = Literal["right", "none", "displaced", "without distortion", "unbinned"]

_SHAPE = (300, 330)
_SKY_E, _READ_NOISE_E = 120.0, 5.0
#: A star is seen clearly where it stands out so many times above the noise of its core.
_CLEAR_SIGNAL_TO_NOISE = 12.0
_TRAIL_STEPS = 25


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """What a pair shows, and how."""

    image: Detector
    reference: Detector
    stars_per_frame: float = 50.0
    fwhm_px: float = 2.8
    trail_px: float = 0.0
    hot_pixels: int = 0
    hot_clusters: int = 0
    cosmic_rays: int = 3
    colour_scatter_mag: float = 0.3
    headers: tuple[Headers, Headers] = ("none", "none")
    displaced_px: tuple[float, float] = (0.0, 0.0)
    binning: tuple[int, int] = (1, 1)
    alignable: bool = True
    brightest_e: float = 2e5


class _Draw:
    """The random numbers that scenes of all kinds begin with."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.shift = self._uniform_pair(40.0)
        self.small_turn_deg = float(rng.normal(0.0, 1.5))
        self.any_turn_deg = float(rng.uniform(-180.0, 180.0))
        headers: Headers = rng.choice(["none", "right", "displaced"])
        self.common = _Scene(
            image=Detector.turned(_SHAPE, middle=self.shift, rotation_deg=self.small_turn_deg),
            reference=Detector.turned(_SHAPE),
            headers=(headers, "none" if headers == "none" else "right"),
            displaced_px=self._uniform_pair(30.0),
            stars_per_frame=self.uniform(25.0, 90.0),
            fwhm_px=self.uniform(2.0, 4.5),
        )

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def turned(self, **changes: Any) -> Detector:
        """Return a camera that may be turned by any angle."""
        return Detector.turned(_SHAPE, middle=self.shift, rotation_deg=self.any_turn_deg, **changes)

    def headers(self, *kinds: Headers) -> Headers:
        chosen: Headers = self.rng.choice(list(kinds))
        return chosen

    def _uniform_pair(self, most: float) -> tuple[float, float]:
        x, y = self.rng.uniform(-most, most, 2).tolist()
        return x, y


def _few_stars(draw: _Draw) -> _Scene:
    less = (draw.shift[0] / 3, draw.shift[1] / 3)
    image = Detector.turned(_SHAPE, middle=less, rotation_deg=draw.small_turn_deg)
    few = draw.uniform(9.0, 16.0)
    return replace(draw.common, image=image, stars_per_frame=few, cosmic_rays=1, brightest_e=4e5)


def _trailed(draw: _Draw) -> _Scene:
    return replace(draw.common, trail_px=draw.uniform(3.0, 14.0), brightest_e=6e5)


def _hot(draw: _Draw) -> _Scene:
    single, clusters = int(draw.rng.integers(60, 250)), int(draw.rng.integers(0, 40))
    return replace(draw.common, hot_pixels=single, hot_clusters=clusters, stars_per_frame=draw.uniform(30.0, 60.0))


def _binned(draw: _Draw) -> _Scene:
    larger = (600, 660)
    headers = draw.headers("none", "unbinned", "right")
    return replace(
        draw.common,
        image=Detector.turned(larger, middle=draw.shift, rotation_deg=draw.small_turn_deg),
        reference=Detector.turned(larger),
        binning=((2, 2), (3, 3), (1, 2), (2, 1), (4, 4))[int(draw.rng.integers(5))],
        headers=(headers, "none" if headers == "none" else "right"),
        stars_per_frame=130.0,
        fwhm_px=4.5,
    )


def _scaled(draw: _Draw) -> _Scene:
    scale = float(np.exp(draw.uniform(np.log(0.5), np.log(2.0))))
    image = Detector.turned(_SHAPE, middle=draw.shift, rotation_deg=draw.small_turn_deg, scale=scale)
    return replace(draw.common, image=image, stars_per_frame=80.0)


def _not_square(draw: _Draw) -> _Scene:
    aspect = float(draw.rng.choice([1.09 / 0.95, 0.95 / 1.09, 1.3, 2.0]))
    reference = Detector.turned(_SHAPE, aspect=aspect if draw.rng.random() < 0.5 else 1.0)
    return replace(draw.common, image=draw.turned(aspect=aspect), reference=reference)


def _distorted(draw: _Draw) -> _Scene:
    bends: dict[str, Any] = {"bend": draw.uniform(-8.0, 8.0), "tilt": draw.uniform(-3.0, 3.0)}
    headers = draw.headers("none", "right", "without distortion")
    return replace(
        draw.common,
        image=draw.turned(**bends),
        reference=Detector.turned(_SHAPE, **(bends if draw.rng.random() < 0.5 else {})),
        headers=(headers, headers),
        stars_per_frame=draw.uniform(60.0, 150.0),
    )


def _little_overlap(draw: _Draw) -> _Scene:
    angle, share = draw.uniform(0.0, 2.0 * np.pi), draw.uniform(0.55, 0.8)
    far = (share * _SHAPE[1] * float(np.cos(angle)), share * _SHAPE[0] * float(np.sin(angle)))
    image = Detector.turned(_SHAPE, middle=far, rotation_deg=draw.small_turn_deg)
    return replace(draw.common, image=image, stars_per_frame=draw.uniform(60.0, 150.0))


def _no_overlap(draw: _Draw) -> _Scene:
    headers = draw.headers("none", "right")
    return replace(
        draw.common,
        image=Detector.turned(_SHAPE, middle=(4000.0, 3000.0), rotation_deg=draw.any_turn_deg),
        hot_pixels=int(draw.rng.choice([0, 100])),
        alignable=False,
        headers=(headers, headers),
        stars_per_frame=float(draw.rng.choice([8.0, 40.0, 100.0, 800.0])),
    )


_SCENES: dict[str, Callable[[_Draw], _Scene]] = {
    "plain": lambda draw: draw.common,
    "few stars": _few_stars,
    "crowded": lambda draw: replace(draw.common, stars_per_frame=draw.uniform(600.0, 1200.0)),
    "trailed": _trailed,
    "hot pixels": _hot,
    "cosmic rays": lambda draw: replace(draw.common, cosmic_rays=int(draw.rng.integers(40, 150))),
    "rotated": lambda draw: replace(draw.common, image=draw.turned()),
    "flipped": lambda draw: replace(draw.common, image=draw.turned(flipped=True)),
    "binned": _binned,
    "scaled": _scaled,
    "non-square": _not_square,
    "distorted": _distorted,
    "little overlap": _little_overlap,
    "no overlap": _no_overlap,
}
KINDS = tuple(_SCENES)


def image_pair(kind: str, seed: int) -> ImagePair:
    """Return a pair of one of the `KINDS`; the same seed gives the same pair.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is none of the kinds {', '.join(KINDS)}")
    rng = np.random.default_rng([KINDS.index(kind), seed])
    return _drawn(kind, _SCENES[kind](_Draw(rng)), rng)


@dataclass(frozen=True)
class _Stars:
    east: FloatArray
    north: FloatArray
    flux_e: FloatArray = field(repr=False)


def _drawn(kind: str, scene: _Scene, rng: np.random.Generator) -> ImagePair:
    stars = [_stars_of(detector, scene, rng) for detector in (scene.image, scene.reference)]
    if scene.alignable:  # one sky that reaches as far as both images do
        stars[1] = stars[0]
    scattered = stars[1].flux_e * 10.0 ** (0.4 * rng.normal(0.0, scene.colour_scatter_mag, stars[1].flux_e.size))
    stars[1] = _Stars(stars[1].east, stars[1].north, scattered)
    hot = _hot_pixels(scene, rng)
    exposures, clear = [], []
    for number, (detector, seen) in enumerate(zip((scene.image, scene.reference), stars, strict=True)):
        light, is_clear = _light(detector, seen, scene, rng)
        pixels = _recorded(light, scene, hot, rng)
        across, down = scene.binning if number == 0 else (1, 1)
        if (across, down) != (1, 1):
            rows, columns = pixels.shape[0] // down, pixels.shape[1] // across
            pixels = pixels[: rows * down, : columns * across].reshape(rows, down, columns, across).sum(axis=(1, 3))
        lay = detector.binned(across, down) if (across, down) != (1, 1) else detector
        header = _header(scene.headers[number], lay, detector, scene.displaced_px)
        exposures.append(Exposure(pixels.astype(np.float32), header, lay))
        clear.append(is_clear)
    common = int(np.count_nonzero(clear[0] & clear[1])) if scene.alignable else 0
    image, reference = exposures
    return ImagePair(kind, image, reference, common=common, alignable=scene.alignable)


def _stars_of(detector: Detector, scene: _Scene, rng: np.random.Generator) -> _Stars:
    """Draw stars around both images, in the usual proportion of bright and faint ones."""
    reach = 2.5 * max(detector.shape) * max(1.0, float(np.max(np.abs(detector.matrix))))
    count = rng.poisson(
        scene.stars_per_frame * (2.0 * reach) ** 2 / (scene.reference.shape[0] * scene.reference.shape[1])
    )
    east, north = (rng.uniform(middle - reach, middle + reach, count) for middle in detector.middle)
    flux_e = np.minimum(2500.0 * (1.0 + rng.pareto(1.1, count)), scene.brightest_e)
    return _Stars(east, north, flux_e)


def _light(
    detector: Detector, stars: _Stars, scene: _Scene, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the light of stars, (rows, columns), and which of them stand out clearly."""
    x, y = detector.to_pixels(stars.east, stars.north)
    rows, columns = detector.shape
    light = np.zeros(detector.shape)
    near = (x > -20) & (y > -20) & (x < columns + 20) & (y < rows + 20)
    profile = Moffat(scene.fwhm_px)
    steps = np.linspace(-0.5, 0.5, _TRAIL_STEPS if scene.trail_px else 1)
    angle = rng.uniform(0.0, np.pi)
    for step in steps if scene.trail_px else [0.0]:
        along = step * scene.trail_px
        profile.add_sources(
            light, x[near] + along * np.cos(angle), y[near] + along * np.sin(angle), stars.flux_e[near] / steps.size
        )
    core_px = np.pi * scene.fwhm_px**2 / 4.0 + scene.fwhm_px * scene.trail_px
    clear = 0.5 * stars.flux_e > _CLEAR_SIGNAL_TO_NOISE * np.sqrt(core_px * (_SKY_E + _READ_NOISE_E**2))
    clear &= (x > 5) & (y > 5) & (x < columns - 6) & (y < rows - 6)
    return light, clear


def _recorded(light: FloatArray, scene: _Scene, hot: FloatArray | None, rng: np.random.Generator) -> FloatArray:
    pixels = rng.poisson(light + _SKY_E) + rng.normal(0.0, _READ_NOISE_E, light.shape)
    if hot is not None and hot.shape == pixels.shape:
        pixels += hot
    for _ in range(scene.cosmic_rays):
        x, y = rng.uniform(0, light.shape[1]), rng.uniform(0, light.shape[0])
        length, angle = min(rng.exponential(3.0), 25.0), rng.uniform(0, np.pi)
        along = np.arange(0.0, length + 0.5, 0.5)
        column, row = np.rint(x + along * np.cos(angle)).astype(int), np.rint(y + along * np.sin(angle)).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < light.shape[1]) & (row < light.shape[0])
        pixels[row[inside], column[inside]] += rng.exponential(2500.0)
    return pixels


def _hot_pixels(scene: _Scene, rng: np.random.Generator) -> FloatArray | None:
    """Return what hot pixels add to every image of the camera; clusters are two by two of them."""
    if not (scene.hot_pixels or scene.hot_clusters):
        return None
    rows, columns = scene.image.shape
    hot = np.zeros((rows, columns))
    places = rng.integers(0, rows, scene.hot_pixels), rng.integers(0, columns, scene.hot_pixels)
    hot[places] = rng.uniform(2000.0, 30000.0, scene.hot_pixels)
    for _ in range(scene.hot_clusters):
        row, column = rng.integers(0, rows - 1), rng.integers(0, columns - 1)
        hot[row : row + 2, column : column + 2] += rng.uniform(1000.0, 8000.0) * rng.uniform(0.3, 1.0, (2, 2))
    return hot


def _header(kind: Headers, lay: Detector, unbinned: Detector, displaced_px: tuple[float, float]) -> fits.Header:
    if kind == "none":
        return fits.Header()
    if kind == "displaced":
        return lay.wcs_cards(offset=displaced_px)
    if kind == "without distortion":
        return lay.wcs_cards(with_sip=False)
    return (unbinned if kind == "unbinned" else lay).wcs_cards()
