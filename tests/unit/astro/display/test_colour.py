import numpy as np
import pytest

from datalab.astro.display.colour import ColourLayer, colour_picture, display_limits, shows_nothing
from datalab.astro.display.stretch import auto_stretch


def layer(pixels, colour=(255, 255, 255), black=0.0, white=255.0):
    red, green, blue = colour
    return ColourLayer(pixels=pixels, red=red, green=green, blue=blue, black=black, white=white)


def picture(*layers):
    return colour_picture(layers, progress=lambda _: None)


def plainly(layers):
    """Return the picture by the formula of the predecessor, in plain numpy."""
    curve = np.array([int(256 * (i / 256) ** (1 / 2.5)) for i in range(256)])
    rgb = []
    for part in ("red", "green", "blue"):
        total = sum(
            (np.clip(each.pixels, each.black, each.white) - each.black)
            * 255
            / (each.white - each.black)
            * getattr(each, part)
            / 255
            for each in layers
        )
        rgb.append(np.flipud(curve[np.round(np.clip(total, 0, 255)).astype(int)]))
    return np.stack(rgb, axis=2)


def test_levels_follow_the_curve_users_know():
    levels = np.array([[0, 1, 2, 4, 8, 16, 32, 64, 128, 192, 254]], np.float32)
    expected = [0, 27, 36, 48, 63, 84, 111, 147, 194, 228, 255]  # of the predecessor
    for part in range(3):
        assert picture(layer(levels))[0, :, part].tolist() == expected


def test_three_layers_of_any_type_add_up_as_in_plain_numpy():
    rng = np.random.default_rng(1)
    shape = (301, 40)  # more rows than a band
    layers = [
        layer(rng.uniform(-50, 400, shape).astype(">f4"), (255, 128, 0), 10.0, 300.0),
        layer(rng.integers(0, 60000, shape, dtype=np.uint16), (0, 200, 90.5), 500.0, 40000.0),
        layer(rng.normal(0, 1e-3, shape), (30, 0, 255), -1e-3, 2e-3),
    ]
    made = picture(*layers)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, plainly(layers))
    np.testing.assert_array_equal(made, picture(*layers))  # no memory of what was there before


def test_the_first_row_is_at_the_bottom():
    pixels = np.zeros((3, 2))
    pixels[0] = 255
    assert picture(layer(pixels, (255, 0, 0)))[:, 0].tolist() == [[0, 0, 0], [0, 0, 0], [255, 0, 0]]


def test_a_layer_adds_nothing_where_it_covers_nothing():
    blank = np.array([[np.nan, 255.0]])
    assert picture(layer(blank, (255, 0, 0)), layer(np.full((1, 2), 255.0), (0, 255, 0))).tolist() == [
        [[0, 255, 0], [255, 255, 0]]
    ]


def test_progress_reaches_the_end():
    reported = []
    colour_picture([layer(np.zeros((300, 2)))], progress=reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == 1.0


def test_missing_limits_are_those_of_other_pictures():
    pixels = np.random.default_rng(2).normal(100, 5, (50, 60))
    automatic = auto_stretch(pixels)
    assert display_limits(pixels, black=None, white=None) == (automatic.black, automatic.white)
    assert display_limits(pixels, black=3.0, white=None) == (3.0, automatic.white)
    assert display_limits(pixels, black=None, white=1e6) == (automatic.black, 1e6)
    assert display_limits(pixels, black=3.0, white=4.0) == (3.0, 4.0)


@pytest.mark.parametrize(
    ("black", "white", "expected"),
    [(7.0, 7.0, (6.0, 8.0)), (None, -50.0, (-51.0, -49.0)), (5000.0, None, (4999.0, 5001.0))],
)
def test_limits_never_meet_or_cross(black, white, expected):
    pixels = np.random.default_rng(3).normal(100, 5, (50, 60))
    assert display_limits(pixels, black=black, white=white) == expected


def test_equal_limits_of_any_size_part():
    black, white = display_limits(np.eye(2), black=1e30, white=1e30)
    assert black < 1e30 < white


@pytest.mark.parametrize("level", [0.0, 1.0, 65535.0, -3e30, np.nan])
@pytest.mark.parametrize("limits", [(None, None), (0.0, None), (None, 0.0), (0.0, 0.0)])
def test_a_layer_that_shows_nothing_is_dark(level, limits):
    """It coloured the whole picture: equal limits are moved apart, and all of it was in the middle between them."""
    pixels = np.full((30, 40), level)
    black, white = (None if limit is None or np.isnan(level) else level for limit in limits)
    low, high = display_limits(pixels, black=black, white=white)
    assert not picture(layer(pixels, (255, 0, 0), low, high)).any()
    assert shows_nothing(pixels)


def test_a_few_stars_on_nothing_are_seen_on_black():
    pixels = np.zeros((300, 400))
    pixels[::50, ::60] = 500.0
    low, high = display_limits(pixels, black=None, white=None)
    made = picture(layer(pixels, (255, 0, 0), low, high))
    assert np.array_equal(made[::-1, :, 0] > 0, pixels > 0)
    assert not shows_nothing(pixels)
