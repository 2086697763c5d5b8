"""The sky of an image, and what stands out of it.

Detection and deblending are those of Source Extractor (E. Bertin and S. Arnouts, A&AS 117, 393, 1996) as the library
sep offers them (K. Barbary, JOSS 1, 58, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import convolve, distance_transform_edt, maximum_filter, minimum_filter

from datalab.astro.pixels.geometry import bands
from datalab.astro.robust import FWHM_PER_SIGMA, mad_sigma
from datalab.astro.types import FloatArray, Mask, Pixels

_LEAST_SIDE_PX = 16
#: A square of this side in which all pixels are the same was not measured: another program filled it in.
_FILL_SIDE_PX = 15
#: Side (pixels) of the meshes of the sky: large against stars, small against what the sky does. A small image still
#: gets two by two of them, so that a gradient can be seen.
_MESH_PX, _LEAST_MESHES = 64, 2
_MESH_MEDIAN = 3  # meshes a median is taken over
#: A mesh that shows less sky than this part of it is joined with its neighbours.
_LEAST_SKY_SHARE = 0.25
#: Sky farther from its mean than this is not counted as such; the spread of a normal distribution cut there.
_CLIP_SIGMA, _CLIPPED_SPREAD = 3.0, 0.98658
#: Level and noise that sep gives when every mesh is half blank or more.
_NO_SKY_SEEN = (0.0, 1.0)
_BAND_ROWS = 256
#: Where the noise of a mesh is less than this part of the typical one, the pixels there were made, not measured.
_LEAST_RELATIVE_NOISE = 0.1
#: A pixel rounded to whole counts has at least this noise.
_ROUNDING_NOISE = 1.0 / math.sqrt(12.0)

#: Width of the detection filter in units of that of the stars. At 1 a faint star stands out most; here by 4 % less, but
#: blends are told apart at two widths instead of two and a half.
_FILTER_WIDTH = 0.75
#: A wider filter would find no more stars, and take minutes for a large image.
_WIDEST_FILTER_PX = 10.0
#: Room in sep for pixels above the threshold, as a share of the image, and for the parts of one blend.
_STACK_SHARE, _LEAST_STACK = 0.25, 300_000
_MOST_PARTS = 16_384
#: A star of 1.2 px FWHM has 0.5 of its light in its brightest pixel, and up to 0.6 of what is seen above the threshold.
_MOST_IN_ONE_PIXEL = 0.75
#: What sep says when that is not enough.
_OVERFLOWS = ("pixel buffer full", "overflow")


class ExtractionError(ValueError):
    """Sources cannot be looked for in an image; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """What counts as a source.

    A source has at least `min_area_px` connected pixels where the image, filtered with the shape of a star, stands
    above the sky by `threshold_sigma` times its noise. `deblend_contrast` is the share of the light of a blend that
    makes a part of it a source of its own; 1 takes no blend apart.
    """

    threshold_sigma: float = 5.0
    min_area_px: int = 5
    deblend_contrast: float = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """An image without its sky: `net` and the noise of the sky, 0 and irrelevant where `blank`; all (rows, columns).

    `sky` and `sky_noise` are the typical level and noise, in the units of the image.
    """

    net: NDArray[np.float32]
    noise: NDArray[np.float32]
    blank: Mask
    sky: float
    sky_noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """What stands out: the objects of sep (n,), and whose each pixel is, 1 for the first object, 0 for the sky."""

    objects: NDArray[np.void]
    segments: NDArray[np.int32]

    @property
    def identifiers(self) -> NDArray[np.int32]:
        """The number of each object in `segments`."""
        return np.arange(1, len(self.objects) + 1, dtype=np.int32)


def prepared(pixels: Pixels) -> tuple[NDArray[np.float32], Mask]:
    """Return the image as sep wants it, 0 where not finite, and where it is blank: there, and where it was filled in.

    Raises:
        ExtractionError: it is too small, blank, or the same everywhere.
    """
    if min(pixels.shape) < _LEAST_SIDE_PX:
        rows, columns = pixels.shape
        raise ExtractionError(f"it has {columns} x {rows} pixels, and {_LEAST_SIDE_PX} x {_LEAST_SIDE_PX} are needed")
    image = np.array(pixels, np.float32, order="C")
    blank = ~np.isfinite(image)
    image[blank] = 0.0
    values = image[~blank]
    if values.size == 0:
        raise ExtractionError("it is blank: no pixel has a value")
    if values.min() == values.max():
        raise ExtractionError(f"it is blank: all its pixels are {values[0]:g}")
    if _has_runs(image):
        no_noise = maximum_filter(image, _FILL_SIDE_PX) == minimum_filter(image, _FILL_SIDE_PX)
        blank |= maximum_filter(no_noise, _FILL_SIDE_PX)
    return image, blank


def _has_runs(image: NDArray[np.float32]) -> bool:
    """Tell whether there may be a filled square: a run of equal pixels in one of the rows that no square can miss.

    Filters go on beyond the edges as in a mirror, so half a square, its middle counted in, is enough there.
    """
    half = _FILL_SIDE_PX // 2 + 1
    rows = image[half - 1 :: half]
    equal = rows[:, 1:] == rows[:, :-1]
    length = half - 1  # of equal neighbours in a row
    ends = np.cumsum(equal, axis=1, dtype=np.int32)
    return bool(
        (ends[:, length - 1 :] - np.pad(ends, ((0, 0), (1, 0)))[:, : ends.shape[1] - length + 1] == length).any()
    )


def without_sky(image: NDArray[np.float32], *, blank: Mask, is_whole_counts: bool) -> Frame:
    """Measure the sky, from clipped meshes that still have the sources in them, and subtract it.

    Args:
        image: as `prepared` returns it.
        blank: pixels without a value.
        is_whole_counts: the image was rounded to integers.
    """
    side = _mesh_side(image.shape)
    model = sep.Background(image, mask=blank, bw=side, bh=side, fw=_MESH_MEDIAN, fh=_MESH_MEDIAN)
    sky, sky_noise = float(model.globalback), float(model.globalrms)
    if (sky, sky_noise) != _NO_SKY_SEEN:
        net, noise = image - model.back(dtype=np.float32), model.rms(dtype=np.float32)
    else:
        values = image[~blank]
        sky = float(np.median(values))
        sky_noise = mad_sigma(values)
        net, noise = image - np.float32(sky), np.full(image.shape, sky_noise, np.float32)
    net[blank] = 0.0
    least = max(_LEAST_RELATIVE_NOISE * sky_noise, _ROUNDING_NOISE if is_whole_counts else 0.0)
    # sep divides by the noise: it must not be 0 where all pixels of a mesh are the same.
    np.maximum(noise, np.float32(max(least, float(np.finfo(np.float32).tiny))), out=noise)
    return Frame(net=net, noise=noise, blank=blank, sky=sky, sky_noise=sky_noise)


def refine_sky(image: NDArray[np.float32], frame: Frame, *, covered: Mask) -> Frame:
    """Measure the sky again, as the mean of pixels that show nothing else, and subtract it.

    The mode of Source Extractor, with which `without_sky` resists sources, is wrong by up to a tenth of the noise when
    pixels are whole counts and noise is a few of them.

    Args:
        image: as `prepared` returns it.
        frame: as `without_sky` returns it; its arrays are overwritten.
        covered: pixels that show sources.
    """
    sky = ~(covered | frame.blank)
    sky &= np.abs(frame.net) < _CLIP_SIGMA * frame.noise
    side = _mesh_side(image.shape)
    counts = _mesh_sums(sky, side)
    sums = _mesh_sums(np.where(sky, image, np.float32(0.0)), side)
    squares = _mesh_sums(np.square(np.where(sky, frame.net, np.float32(0.0)), dtype=np.float64), side)
    few = counts < _LEAST_SKY_SHARE * side**2
    for values in (sums, squares, counts):
        values[few] = convolve(values, np.ones((3, 3)), mode="constant")[few]
    if not counts.any():
        return frame
    # Where the sky is seen nowhere near, it is as at the nearest place where it is.
    nearest = distance_transform_edt(counts == 0.0, return_distances=False, return_indices=True)
    sums, squares, counts = (values[tuple(nearest)] for values in (sums, squares, counts))
    level, noise = sums / counts, np.sqrt(squares / counts) / _CLIPPED_SPREAD
    least = frame.noise.min()
    for rows, surface in _surface(level, image.shape, side):
        np.subtract(image[rows], surface, out=frame.net[rows], casting="same_kind")
    for rows, surface in _surface(noise, image.shape, side):
        np.maximum(surface, least, out=frame.noise[rows], casting="same_kind")
    frame.net[frame.blank] = 0.0
    return replace(frame, sky=float(np.median(level)), sky_noise=float(np.median(noise)))


def _mesh_side(shape: tuple[int, ...]) -> int:
    return min(_MESH_PX, min(shape) // _LEAST_MESHES)


def _mesh_sums(values: Pixels, side: int) -> FloatArray:
    """Return sums over each mesh, shape (meshes down, meshes across)."""
    rows, columns = (np.arange(0, max(size - side // 2, 1), side) for size in values.shape)
    sums: FloatArray = np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.float64), columns, axis=1)
    return sums


def _surface(meshes: FloatArray, shape: tuple[int, ...], side: int) -> Iterator[tuple[slice, FloatArray]]:
    """Yield a smooth surface through the middles of meshes, band by band."""
    across = _interpolated(meshes.T, shape[1], side, 0, shape[1]).T
    for start, stop in bands(shape[0], _BAND_ROWS):
        yield slice(start, stop), _interpolated(across, shape[0], side, start, stop)


def _interpolated(values: FloatArray, size: int, side: int, start: int, stop: int) -> FloatArray:
    """Return rows `start` to `stop` of `size` between those of meshes; to the edges it goes on as a straight line."""
    if len(values) == 1:
        return np.repeat(values, stop - start, axis=0)
    last = (len(values) - 1) * side  # where the last mesh begins; it has what is left
    middles = np.append(np.arange(0, last, side) + (side - 1) / 2.0, (last + size - 1) / 2.0)
    first_slope, last_slope = ((values[k + 1] - values[k]) / (middles[k + 1] - middles[k]) for k in (0, -2))
    nodes = np.concatenate([[0.0], middles, [size - 1.0]])
    with_edges = np.concatenate(
        [
            values[:1] - first_slope * middles[0],
            values,
            values[-1:] + last_slope * (size - 1.0 - middles[-1]),
        ]
    )
    rows: FloatArray = PchipInterpolator(nodes, with_edges, axis=0)(np.arange(start, stop))
    return rows


def detect(frame: Frame, settings: DetectionSettings, *, fwhm_px: float) -> Detections:
    """Find what stands out of the sky when filtered with a Gaussian, somewhat narrower than a star.

    Raises:
        ExtractionError: too much stands out.
    """
    sep.set_extract_pixstack(max(_LEAST_STACK, int(_STACK_SHARE * frame.net.size)))
    sep.set_sub_object_limit(_MOST_PARTS)
    kernel = _gaussian(min(_FILTER_WIDTH * fwhm_px, _WIDEST_FILTER_PX))
    # The noise of an image filtered with a kernel of sum 1. sep's own way to allow for it, its matched filter, lets it
    # throw good faint sources away when it cleans its list.
    filtered_noise = float(np.sqrt(np.sum(kernel.astype(np.float64) ** 2)))
    try:
        objects, segments = sep.extract(
            frame.net,
            settings.threshold_sigma * filtered_noise,
            err=frame.noise,
            mask=frame.blank,
            minarea=settings.min_area_px,
            filter_kernel=kernel,
            filter_type="conv",
            deblend_cont=settings.deblend_contrast,
            segmentation_map=True,
        )
    except Exception as error:  # sep raises nothing more special
        if any(word in str(error) for word in _OVERFLOWS):
            raise ExtractionError("too much of it lies above the threshold; a higher one may help") from error
        raise
    return Detections(objects=objects, segments=segments)


def is_single_pixel(objects: NDArray[np.void]) -> Mask:
    """Tell which objects of sep have nearly all their light in one pixel, as hot pixels and some cosmic rays have."""
    single: Mask = objects["peak"] > _MOST_IN_ONE_PIXEL * objects["flux"]
    return single


def _gaussian(fwhm_px: float) -> NDArray[np.float32]:
    """Return a kernel of sum 1."""
    sigma = fwhm_px / FWHM_PER_SIGMA
    half = max(1, math.ceil(1.5 * fwhm_px))
    steps = np.arange(-half, half + 1)
    profile = np.exp(-0.5 * (steps / sigma) ** 2)
    profile /= profile.sum()
    return np.outer(profile, profile).astype(np.float32)
