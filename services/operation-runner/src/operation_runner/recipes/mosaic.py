"""Combining images that show the same sky on different pixels, on the grid that all of them cover."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from astropy.wcs import WCS
from numpy.typing import DTypeLike

from datalab.astro.mosaics.common_wcs import WcsError
from datalab.astro.mosaics.overlap import SharedGrid, shared_grid
from datalab.astro.mosaics.resampling import resample_rows, resampling_bands
from datalab.astro.pixels.combine import RunningSum
from datalab.astro.pixels.geometry import bands
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.types import FloatArray, Pixels
from operation_runner.sdk import Combine, Image, Inputs, Progress, UsageError

#: Disk for the resampled rows of all images together. A mosaic that needs more is made in as many parts as it takes.
SCRATCH_BYTES = 1024**3


def mosaic_grid(images: Sequence[Image]) -> SharedGrid:
    """Return the pixels that all images cover. Raises `UsageError` if one has no WCS or they share no sky."""
    wcses = []
    for image in images:
        wcs = celestial_wcs(image.header, image.shape)
        if wcs is None:
            raise UsageError(
                f"{image.basename} has no valid celestial WCS in its header, so nobody knows which part of the sky it "
                "shows. Solve its plate first, or use images that are aligned already without reprojecting them."
            )
        wcses.append(wcs)
    shapes = [image.shape for image in images]
    try:
        return shared_grid(wcses, shapes)
    except WcsError as error:
        strangers = [
            image.basename
            for image, wcs in zip(images, wcses, strict=True)
            if not _share_sky([wcses[0], wcs], [images[0].shape, image.shape])
        ]
        named = f" ({', '.join(strangers)} and {images[0].basename})" if strangers else ""
        raise UsageError(f"The input files cannot be reprojected: {error}{named}.") from error


def _share_sky(wcses: Sequence[WCS], shapes: Sequence[tuple[int, int]]) -> bool:
    try:
        shared_grid(wcses, shapes)
    except WcsError:
        return False
    return True


def add_up(
    inputs: Inputs,
    images: Sequence[Image],
    grid: SharedGrid,
    *,
    weights: FloatArray,
    finish: Callable[[RunningSum], Pixels],
    progress: Progress,
) -> Pixels:
    """Return sums or averages over the images on a common grid, float64.

    Each band of the result is made at once, one image after the other, so that nothing but the result is kept, and
    additions happen in the order of the images however many processes there are.
    """
    result = inputs.new_pixels(grid.shape, np.float64)

    def add_band(band: tuple[int, int]) -> None:
        start, stop = band
        running = RunningSum((stop - start, grid.shape[1]))
        for image, pixel_grid, weight in zip(images, grid.grids, weights, strict=True):
            running.add(resample_rows(image, pixel_grid, start, stop), weight)
        result[start:stop] = finish(running)

    for _ in inputs.parallel(add_band, list(resampling_bands(grid.shape)), progress=progress):
        pass
    return result


def combine_all(
    inputs: Inputs,
    images: Sequence[Image],
    grid: SharedGrid,
    *,
    using: Combine,
    dtype: DTypeLike,
    progress: Progress,
) -> Pixels:
    """Return what `using` makes of all images at once on a common grid, float64.

    The resampled rows wait on disk, at most `SCRATCH_BYTES` of them.

    Args:
        inputs: of the operation.
        images: in the order of the grids.
        grid: common to all.
        using: see `ImageStack.combine`.
        dtype: of the resampled pixels.
        progress: of all of this.
    """
    rows, columns = grid.shape
    height = min(rows, max(1, SCRATCH_BYTES // (len(images) * columns * np.dtype(dtype).itemsize)))
    planes = inputs.new_pixels((len(images), height, columns), dtype)
    result = inputs.new_pixels(grid.shape, np.float64)

    def resample_part(part: tuple[int, int, int]) -> None:
        index, start, stop = part
        for first, last in resampling_bands((stop - start, columns)):
            planes[index, first:last] = resample_rows(images[index], grid.grids[index], start + first, start + last)

    for start, stop in bands(rows, height):
        part_progress = progress.part(start / rows, stop / rows)
        parts = [(index, start, stop) for index in range(len(images))]
        for _ in inputs.parallel(resample_part, parts, progress=part_progress.part(0.0, 0.8)):
            pass
        resampled = [inputs.derived(image, plane[: stop - start]) for image, plane in zip(images, planes, strict=True)]
        stack = inputs.stack(resampled)
        result[start:stop] = stack.combine(using, dtype=np.float64, progress=part_progress.part(0.8, 1.0))
    return result
