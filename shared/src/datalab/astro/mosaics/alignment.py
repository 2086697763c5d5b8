"""Finding how an image lies on the pixel grid of another, and putting it there.

Stars are the best witnesses: they tell the true shift, rotation and scale, whatever the headers say. World coordinates
also know distortions, and need no stars, but are only as good as whoever wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from datalab.astro.catalogues.columns import has_numbers
from datalab.astro.catalogues.transformed import counted_from_one, moved
from datalab.astro.mosaics.placement import AlignmentError, Frame, Placement
from datalab.astro.mosaics.resampling import resample
from datalab.astro.mosaics.star_alignment import checked_by_stars, placed_by_stars
from datalab.astro.pixels.combine import median_dtype
from datalab.astro.sky.tangent_fit import fit_tangent_wcs
from datalab.astro.sky.wcs import PixelMapping, between, pixel_scale_arcsec
from datalab.astro.sky.wcs_header import resampled_header
from datalab.astro.types import FloatArray, PixelRows, Pixels

#: Images that are closer than this on the whole grid are left as they are: half of the accuracy asked for, and smaller
#: than what resampling would do to noise and sharpness.
SAME_GRID_PX = 0.05

#: So many times as wide as its own may be the pixels an image is put on: what was an image is a smudge then.
MOST_NARROWER = 20.0

_GRID_POINTS = 17


def reference_frame(frames: Sequence[Frame]) -> int:
    """Return the index of the frame that the others are best aligned to: that with most stars, of equal ones the first.

    What other frames show of its stars is most likely enough to find them.
    """
    return max(range(len(frames)), key=lambda index: (len(frames[index].stars), -index))


def unmoved(shape: tuple[int, int]) -> Placement:
    """Return the placement of an image that is on the grid of the reference already."""
    return Placement(to_image=None, to_reference=None, shape=shape, found_by="the same grid")


def align(image: Frame, reference: Frame) -> Placement:
    """Find how an image lies on the reference: by stars, else by world coordinates that the stars do not contradict.

    Raises:
        AlignmentError: neither works; the text has both reasons.
    """
    try:
        return align_by_stars(image, reference)
    except AlignmentError as by_stars:
        try:
            return align_by_wcs(image, reference)
        except AlignmentError as by_wcs:
            raise AlignmentError(f"{by_stars}, and {by_wcs}") from None


def align_by_stars(image: Frame, reference: Frame) -> Placement:
    """Find how an image lies from the stars of both: shift, rotation, scale, pixels of another shape, distortion.

    World coordinates, where both images have them, are where the search begins; stars are believed more.

    Raises:
        AlignmentError: too few stars, none in common, or they do not tell enough.
    """
    found = placed_by_stars(image, reference)
    return _placement(image, reference, found.to_image, found.to_reference, found_by=found.found_by, notes=found.notes)


def align_by_wcs(image: Frame, reference: Frame) -> Placement:
    """Find how an image lies on the reference from the world coordinates of both, checked by the stars of both.

    Raises:
        AlignmentError: one has none, they show different parts of the sky, or the stars lie elsewhere.
    """
    if image.wcs is None:
        raise AlignmentError("the header of the image has no celestial world coordinates (WCS)")
    if reference.wcs is None:
        raise AlignmentError("the header of the reference has no celestial world coordinates (WCS)")
    narrower = pixel_scale_arcsec(reference.wcs) / pixel_scale_arcsec(image.wcs)
    if narrower > MOST_NARROWER:
        raise AlignmentError(
            f"the world coordinates (WCS) say that pixels of the reference are {narrower:.3g} times as wide as those "
            f"of the image, and at most {MOST_NARROWER:g} times can be used"
        )
    to_image = between(reference.wcs, image.wcs)
    x, y = to_image(*_grid(reference.shape))
    rows, columns = image.shape
    if not np.any((x > 0) & (y > 0) & (x < columns - 1) & (y < rows - 1)):
        raise AlignmentError("the world coordinates (WCS) say that the image and the reference show different skies")
    notes = checked_by_stars(image, reference)
    to_reference = between(image.wcs, reference.wcs)
    return _placement(image, reference, to_image, to_reference, found_by="world coordinates", notes=notes)


def aligned_pixels(source: PixelRows, placement: Placement) -> Pixels:
    """Return an image on the grid of the reference, flux conserved; NaN where it does not cover the reference.

    Args:
        source: the image; pixels of one that need not be moved keep their type, others become floats.
        placement: of the image.
    """
    if placement.to_image is None:
        return source.rows(0, source.shape[0])
    return resample(source, placement.to_image, placement.shape)


def aligned_levels(source: PixelRows, placement: Placement) -> Pixels:
    """Return an image on the grid of the reference like `aligned_pixels`, but with the levels of the image kept.

    Pixels of another size have collected another share of the light; for display what counts is the brightness of a
    place, which limits for black and white were chosen by.
    """
    pixels = aligned_pixels(source, placement)
    if placement.to_image is not None:
        pixels /= pixels.dtype.type(_pixel_area(placement.to_image, placement.shape))
    return pixels


def aligned_type(source: PixelRows, placement: Placement) -> np.dtype[Any]:
    """Return the type of the pixels of an aligned image."""
    return source.dtype if placement.to_image is None else median_dtype(source.dtype)


def aligned_catalogue(catalogue: Table, placement: Placement) -> Table | None:
    """Return the CAT table of an aligned image: positions, sizes and angles on the new grid, sources outside left out.

    None if the image was moved and the table does not know where in it its sources were (columns x, y).
    """
    to_reference = placement.to_reference
    if to_reference is None:
        return catalogue
    if not has_numbers(catalogue, ["x", "y"]):
        return None
    return moved(catalogue, counted_from_one(to_reference), shape=placement.shape)


def aligned_header(header: fits.Header, image: Frame, reference: Frame, placement: Placement) -> fits.Header:
    """Return the header of an aligned image: its own, with the world coordinates of the reference.

    If the reference has none, those of the image are kept: a TAN projection fitted to where its pixels are now.
    """
    if reference.wcs is not None:
        changed = resampled_header(header, reference.wcs, placement.shape)
        if "PIXSCALE" in changed:
            changed["PIXSCALE"] = pixel_scale_arcsec(reference.wcs)
        return changed
    if image.wcs is None or placement.to_image is None:
        return header
    x, y = _grid(placement.shape)
    sky = image.wcs.pixel_to_world(*placement.to_image(x, y)).icrs
    return resampled_header(header, fit_tangent_wcs(x, y, sky.ra.deg, sky.dec.deg, placement.shape), placement.shape)


def _placement(
    image: Frame,
    reference: Frame,
    to_image: PixelMapping,
    to_reference: PixelMapping,
    *,
    found_by: str,
    notes: tuple[str, ...],
) -> Placement:
    if image.shape == reference.shape:
        x, y = _grid(reference.shape)
        image_x, image_y = to_image(x, y)
        if bool(np.all(np.hypot(image_x - x, image_y - y) <= SAME_GRID_PX)):  # False if NaN
            return replace(unmoved(reference.shape), found_by=found_by, notes=notes)
    return Placement(
        to_image=to_image, to_reference=to_reference, shape=reference.shape, found_by=found_by, notes=notes
    )


def _grid(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return x and y of points all over an image, its outer corners included, in one dimension."""
    rows, columns = (np.linspace(-0.5, length - 0.5, _GRID_POINTS) for length in shape)
    x, y = np.meshgrid(columns, rows)
    return x.ravel(), y.ravel()


def _pixel_area(mapping: PixelMapping, shape: tuple[int, int]) -> float:
    """Return the area of a pixel in the middle of an image, in pixels the mapping leads to."""
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    new_x, new_y = mapping(np.array([x, x + 1, x]), np.array([y, y, y + 1]))
    return float(abs((new_x[1] - new_x[0]) * (new_y[2] - new_y[0]) - (new_x[2] - new_x[0]) * (new_y[1] - new_y[0])))
