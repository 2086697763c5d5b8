import numpy as np
import pytest
import sep
from astropy.io import fits
from astropy.table import Table

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.mosaics.alignment import (
    align,
    align_by_stars,
    align_by_wcs,
    aligned_catalogue,
    aligned_header,
    aligned_levels,
    aligned_pixels,
    reference_frame,
    unmoved,
)
from datalab.astro.mosaics.placement import AlignmentError, Frame
from datalab.astro.sky.wcs import celestial_wcs
from support import star_frames
from support.array_rows import ArrayRows
from support.star_frames import SKY_LEVEL, Field, view, visible

SIDE = 300
SHAPE = (SIDE, SIDE)
FIELD = Field.random(seed=1, side=SIDE, stars_per_side2=60)
REFERENCE = view(side=SIDE)


def frame(seen, *, seed=1, stars=True, wcs=False, shape=SHAPE):
    table = star_frames.catalogue(FIELD, seen, shape, seed=seed) if stars else None
    return Frame(shape=shape, wcs=star_frames.sky_wcs(seen) if wcs else None, stars=star_positions(table))


def measured(image, x, y):
    """Return windowed centroids and fluxes by sep of stars at known places."""
    data = np.ascontiguousarray(image, np.float64) - SKY_LEVEL
    x_found, y_found, _ = sep.winpos(data, x, y, 1.4)
    flux, _, _ = sep.sum_circle(data, x_found, y_found, 6.0)
    return x_found, y_found, flux


@pytest.mark.parametrize(
    ("rotation_deg", "scale", "shift_px", "by"),
    [
        (0.4, 1.0, (7.4, -3.7), align_by_stars),
        (90.0, 0.95, (-20.0, 31.5), align_by_stars),
        (180.0, 1.05, (12.25, 40.0), align_by_stars),
        (-137.0, 1.02, (3.5, 3.5), align_by_wcs),
    ],
)
def test_stars_come_to_lie_on_those_of_the_reference(rotation_deg, scale, shift_px, by):
    seen = view(side=SIDE, rotation_deg=rotation_deg, scale=scale, shift_px=shift_px)
    image = star_frames.pixels(FIELD, seen, SHAPE, seed=2)
    placement = by(frame(seen, seed=2, wcs=True), frame(REFERENCE, wcs=True))
    aligned = aligned_pixels(ArrayRows(image), placement)
    assert aligned.shape == SHAPE
    assert aligned.dtype == np.float32

    x, y, flux = visible(FIELD, REFERENCE, SHAPE, margin_px=12)
    there_x, there_y = seen(x, y)  # the reference is the plane of the field itself
    lonely = np.array([np.sum(np.hypot(FIELD.x - a, FIELD.y - b) < 14) == 1 for a, b in zip(x, y, strict=True)])
    inside = (np.minimum(there_x, there_y) > 12) & (np.maximum(there_x, there_y) < SIDE - 13)
    good = lonely & inside & (flux > 8000)
    assert good.sum() > 8
    level = aligned - SKY_LEVEL * scale**2 + SKY_LEVEL  # a pixel of another size has another share of the sky
    x_found, y_found, found = measured(level, x[good], y[good])
    distance = np.hypot(x_found - x[good], y_found - y[good])
    assert distance.max() < 0.1
    assert abs(np.mean(x_found - x[good])) < 0.03
    assert abs(np.mean(y_found - y[good])) < 0.03
    assert np.median(found / flux[good]) == pytest.approx(1, abs=0.005)


def test_pixels_that_are_not_covered_are_blank():
    seen = view(side=SIDE, shift_px=(50, 0))
    aligned = aligned_pixels(ArrayRows(np.ones(SHAPE, np.uint16)), align(frame(seen), frame(REFERENCE)))
    assert np.isnan(aligned[:, 251:]).all()
    assert np.isfinite(aligned[2:-2, 2:247]).all()


def test_levels_stay_those_of_the_image():
    seen = view(side=SIDE, scale=1.05)
    image = ArrayRows(np.full(SHAPE, 500.0, np.float32))
    placement = align(frame(seen), frame(REFERENCE))
    assert np.nanmedian(aligned_levels(image, placement)) == pytest.approx(500, rel=1e-4)
    assert np.nanmedian(aligned_pixels(image, placement)) == pytest.approx(500 * 1.05**2, rel=1e-3)


@pytest.mark.parametrize("by", [align_by_stars, align_by_wcs])
def test_images_on_the_same_grid_stay_as_they_are(by):
    placement = by(frame(view(side=SIDE, shift_px=(0.01, 0)), seed=3, wcs=True), frame(REFERENCE, wcs=True))
    image = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SHAPE)
    for aligned in (aligned_pixels(ArrayRows(image), placement), aligned_levels(ArrayRows(image), placement)):
        np.testing.assert_array_equal(aligned, image)
        assert aligned.dtype == np.int32
    table = star_frames.catalogue(FIELD, REFERENCE, SHAPE, seed=1)
    assert aligned_catalogue(table, placement) is table


def test_without_stars_world_coordinates_align():
    seen = view(side=SIDE, rotation_deg=20)
    placement = align(frame(seen, stars=False, wcs=True), frame(REFERENCE, wcs=True))
    assert placement.found_by == "world coordinates"
    x, y = placement.to_image(np.array([10.0, 200.0]), np.array([20.0, 150.0]))
    np.testing.assert_allclose((x, y), seen(np.array([10.0, 200.0]), np.array([20.0, 150.0])), atol=1e-3)


def test_stars_are_believed_more_than_world_coordinates():
    seen = view(side=SIDE, shift_px=(30, 0))
    wrong = Frame(shape=SHAPE, wcs=star_frames.sky_wcs(REFERENCE), stars=frame(seen).stars)
    placement = align(wrong, frame(REFERENCE, wcs=True))
    assert placement.found_by.endswith("pixels")
    assert placement.to_image(np.array([5.0]), np.array([5.0]))[0] == pytest.approx(35, abs=0.1)


@pytest.mark.parametrize(
    ("image", "reference", "said"),
    [
        (
            frame(REFERENCE, stars=False),
            frame(REFERENCE, wcs=True),
            r"has only 0 stars and 4 are needed, and the header of the image has no celestial world coordinates",
        ),
        (frame(REFERENCE, stars=False, wcs=True), frame(REFERENCE), "header of the reference has no celestial world"),
        (
            frame(view(side=SIDE, shift_px=(900, 0)), stars=False, wcs=True),
            frame(REFERENCE, wcs=True),
            "image and the reference show different skies",
        ),
    ],
)
def test_what_cannot_be_aligned_is_told_in_words(image, reference, said):
    with pytest.raises(AlignmentError, match=said):
        align(image, reference)


def test_an_unbinned_image_matches_a_binned_one():
    """Without world coordinates nothing tells that the pixels of one are twice as wide."""
    half = frame(view(side=SIDE // 2, scale=0.5), shape=(SIDE // 2, SIDE // 2))
    placement = align(half, frame(REFERENCE))
    x, y = placement.to_reference(np.array([0.0, 149.0]), np.array([0.0, 149.0]))
    expected = view(side=SIDE // 2, scale=0.5).inverse()(np.array([0.0, 149.0]), np.array([0.0, 149.0]))
    np.testing.assert_allclose((x, y), expected, atol=0.3)


def test_the_catalogue_moves_with_the_image():
    seen = view(side=SIDE, rotation_deg=90, shift_px=(0, 60))
    table = star_frames.catalogue(FIELD, seen, SHAPE, seed=4, error_px=0)
    moved = aligned_catalogue(table, align(frame(seen, seed=4), frame(REFERENCE)))
    x, y, flux = visible(FIELD, REFERENCE, SHAPE)
    assert 20 < len(moved) < len(table)
    for row in moved:
        star = np.flatnonzero(flux == row["flux"])
        assert np.hypot(x[star] + 1 - row["x"], y[star] + 1 - row["y"]).min() < 0.15


def test_a_catalogue_without_positions_does_not_move():
    table = Table({"ra": [1.0], "dec": [2.0]})
    assert aligned_catalogue(table, align(frame(view(side=SIDE, shift_px=(20, 0))), frame(REFERENCE))) is None
    assert aligned_catalogue(table, unmoved(SHAPE)) is table


def test_the_header_gets_the_world_coordinates_of_the_reference():
    seen = view(side=SIDE, rotation_deg=45, shift_px=(20, 5))
    image, reference = frame(seen, wcs=True), frame(REFERENCE, wcs=True)
    header = image.wcs.to_header()
    header["PIXSCALE"], header["FILTER"] = 99.0, "rp"
    made = aligned_header(header, image, reference, align(image, reference))
    assert made["FILTER"] == "rp"
    assert made["PIXSCALE"] == pytest.approx(star_frames.PIXEL_SCALE_ARCSEC)
    expected, found = (wcs.pixel_to_world(250, 20) for wcs in (reference.wcs, celestial_wcs(made, SHAPE)))
    assert expected.separation(found).arcsec < 1e-3


def test_the_header_keeps_its_own_world_coordinates_if_the_reference_has_none():
    seen = view(side=SIDE, rotation_deg=45, shift_px=(20, 5))
    image, reference = frame(seen, wcs=True, seed=5), frame(REFERENCE)
    made = aligned_header(image.wcs.to_header(), image, reference, align(image, reference))
    expected = star_frames.sky_wcs(REFERENCE).pixel_to_world(250, 20)
    assert expected.separation(celestial_wcs(made, SHAPE).pixel_to_world(250, 20)).arcsec < 0.06  # 0.1 px of the stars
    without = aligned_header(fits.Header({"FILTER": "rp"}), frame(seen), reference, align(image, reference))
    assert celestial_wcs(without, SHAPE) is None


def test_the_reference_has_most_stars_and_is_the_first_of_equals():
    frames = [Frame(shape=SHAPE, wcs=None, stars=np.zeros((n, 2))) for n in (3, 7, 5, 7)]
    assert reference_frame(frames) == 1


def test_star_positions_count_from_zero_and_are_sorted_by_flux():
    table = Table({"x": [11.0, 21.0, 31.0], "y": [1.0, 2.0, 3.0], "flux": [5.0, 50.0, 20.0]})
    assert star_positions(table).tolist() == [[20, 1], [30, 2], [10, 0]]
    table["xwin"], table["ywin"] = table["x"] + 0.5, table["y"]
    assert star_positions(table)[0].tolist() == [20.5, 1]


def test_what_is_no_star_is_left_out():
    columns = {"x": [1.0, np.nan, 3.0, 4.0, 5.0], "y": [1.0] * 5, "flux": [9.0, 8.0, -1.0, np.nan, 5.0]}
    assert star_positions(Table(columns)).tolist() == [[0, 0], [4, 0]]
    assert star_positions(Table(columns | {"fwhm": [0.6, 3.0, 3.0, 3.0, 3.0]})).tolist() == [[4, 0]]
    masked = Table(columns, masked=True)
    masked["x"].mask[0] = True
    assert star_positions(masked).tolist() == [[4, 0]]


@pytest.mark.parametrize("missing", ["x", "y", "flux"])
def test_a_catalogue_that_lacks_columns_has_no_stars(missing):
    table = Table({name: [1.0, 2.0] for name in ("x", "y", "flux") if name != missing})
    assert star_positions(table).shape == (0, 2)


def test_unmoved_images_have_no_mapping():
    placement = unmoved((3, 4))
    assert placement.to_image is None
    assert placement.shape == (3, 4)
