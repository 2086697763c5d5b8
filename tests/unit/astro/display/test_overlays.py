import numpy as np
import pytest

from datalab.astro.display.overlays import COMPARISON_COLOUR, LONG_SIDE_PX, TARGET_COLOUR, overlay

RADII = (7.0, 12.0, 18.0)
NO_STARS = np.empty((0, 2))


def field(rows=300, columns=200):
    return np.random.default_rng(6).normal(100.0, 5.0, (rows, columns))


def places_of(picture, colour):
    """Return the columns and rows of the pixels of one colour."""
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    return columns, rows


def test_the_long_side_is_as_clients_expect_and_the_shape_is_kept():
    corners = np.array([[15.0, 15.0], [185.0, 285.0]])
    picture = overlay(field(), target_xy=(100.0, 150.0), radii_px=RADII, comparison_xy=corners)
    assert picture.dtype == np.uint8
    assert picture.shape == (LONG_SIDE_PX, 1000, 3)


def test_circles_have_the_true_radii_around_the_true_place():
    picture = overlay(field(), target_xy=(60.3, 200.7), radii_px=RADII, comparison_xy=NO_STARS)
    # Around a lone target 28 pixels (twice 14) are shown: columns 32 to 89, rows 172 to 229.
    scale = LONG_SIDE_PX / 57
    columns, rows = places_of(picture, TARGET_COLOUR)
    distance = np.hypot(columns + 0.5 - (60.3 - 32) * scale, rows + 0.5 - (229 - 200.7) * scale)
    nearest = np.abs(distance[:, np.newaxis] - np.array(RADII) * scale)
    assert nearest.min(axis=1).max() < 6.0
    assert set(nearest.argmin(axis=1)) == {0, 1, 2}


def test_the_target_is_where_its_light_is():
    pixels = field()
    pixels[200, 60] = 1e5  # the centre of this pixel is (60.5, 200.5)
    picture = overlay(pixels, target_xy=(60.5, 200.5), radii_px=RADII, comparison_xy=NO_STARS)
    columns, rows = places_of(picture, (255, 255, 255))
    circle_columns, circle_rows = places_of(picture, TARGET_COLOUR)
    near_circle = np.hypot(columns - circle_columns.mean(), rows - circle_rows.mean()) < 40
    assert near_circle.sum() > 100
    assert columns[near_circle].mean() == pytest.approx(circle_columns.mean(), abs=3)
    assert rows[near_circle].mean() == pytest.approx(circle_rows.mean(), abs=3)


def test_every_comparison_star_has_one_circle_large_enough_to_be_seen():
    stars = np.array([[20.0, 20.0], [180.0, 280.0]])
    picture = overlay(field(), target_xy=(100.0, 150.0), radii_px=(1.0, 2.0, 3.0), comparison_xy=stars)
    scale = LONG_SIDE_PX / 300
    columns, rows = places_of(picture, COMPARISON_COLOUR)
    upper = rows < picture.shape[0] / 2
    assert columns[upper].mean() == pytest.approx((180 - 0) * scale, abs=4)
    assert rows[upper].mean() == pytest.approx((300 - 280) * scale, abs=4)
    short_side = min(picture.shape[:2])
    assert np.ptp(columns[upper]) / 2 == pytest.approx(max(24, 0.035 * short_side, 14 * scale), abs=4)


def test_blank_pixels_are_black_and_spread_no_further():
    pixels = np.full((100, 100), 50.0)
    pixels[60:, :50] = 90.0
    pixels[10:20, 10:20] = np.nan
    picture = overlay(pixels, target_xy=(70.0, 50.0), radii_px=RADII, comparison_xy=np.array([[20.0, 50.0]]))
    assert picture.max() == 255
    scale = LONG_SIDE_PX / 100
    blank = picture[int((100 - 19) * scale) : int((100 - 11) * scale), int(11 * scale) : int(19 * scale)]
    assert (blank == 0).all()


@pytest.mark.parametrize("target", [(-500.0, 40.0), (0.0, 0.0), (199.9, 299.9), (1e4, 1e4)])
def test_a_target_off_the_image_still_gives_a_picture(target):
    picture = overlay(field(), target_xy=target, radii_px=RADII, comparison_xy=NO_STARS)
    assert max(picture.shape) == LONG_SIDE_PX


def test_an_image_without_a_value_gives_a_black_picture():
    blank = np.full((40, 40), np.nan, np.float32)
    picture = overlay(blank, target_xy=(20.0, 20.0), radii_px=(2.0, 3.0, 4.0), comparison_xy=NO_STARS)
    is_line = (picture == TARGET_COLOUR).all(axis=2)
    assert is_line.any()
    assert (picture[~is_line] == 0).all()


def test_the_image_is_left_alone():
    pixels = field().astype(np.uint16)
    before = pixels.copy()
    overlay(pixels, target_xy=(100.0, 150.0), radii_px=RADII, comparison_xy=NO_STARS)
    np.testing.assert_array_equal(pixels, before)
