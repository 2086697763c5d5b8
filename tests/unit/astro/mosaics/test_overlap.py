import numpy as np
import pytest

from datalab.astro.mosaics.common_wcs import WcsError
from datalab.astro.mosaics.overlap import Box, common_box, shared_grid
from datalab.astro.mosaics.pixel_grid import PixelGrid, covered
from datalab.astro.sky.wcs import between
from datalab.simulation.camera import Camera, Conditions, Pointing
from datalab.simulation.conditions import tangent_wcs
from support.array_rows import affine_mapping

SHAPE = (200, 300)


def pointing(angle_deg=0.0, drift_px=(0.0, 0.0), dec_deg=30.0):
    camera = Camera(rows=200, columns=300, position_angle_deg=angle_deg)
    return tangent_wcs(camera, Pointing(ra_deg=150.0, dec_deg=dec_deg), Conditions(drift_px=drift_px))


def shifted(x, y):
    return PixelGrid.of(affine_mapping(np.eye(2), (x, y)), SHAPE)


def coverage(grid, shape=SHAPE):
    return covered(
        grid.coordinates(np.arange(grid.shape[0], dtype=float), np.arange(grid.shape[1], dtype=float)), shape
    )


def test_shifted_images_share_the_pixels_inside_all_of_them():
    assert common_box([shifted(0, 0)], [SHAPE]) == Box(0, 200, 0, 300)
    grids = [shifted(0, 0), shifted(7.5, -3), shifted(-20, 11.2)]
    box = common_box(grids, [SHAPE] * 3)
    assert box == Box(3, 188, 20, 292)
    assert box.shape == (185, 272)


def test_images_without_a_common_part_have_no_box():
    assert common_box([shifted(0, 0), shifted(400, 0)], [SHAPE] * 2) is None


@pytest.mark.parametrize("angle_deg", [0.3, 10.0, 45.0, 90.0, 137.0])
def test_the_box_in_a_turned_image_is_covered_cannot_grow_and_is_as_large_as_geometry_allows(angle_deg):
    side = 600
    angle = np.radians(angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([side - 1, side - 1]) / 2
    grid = PixelGrid.of(affine_mapping(turn, tuple(middle - turn @ middle)), (side, side))
    inside = coverage(grid, (side, side))
    box = common_box([grid], [(side, side)])
    assert inside[box.y_start : box.y_stop, box.x_start : box.x_stop].all()
    for line in (
        inside[box.y_start - 1 : box.y_start, box.x_start : box.x_stop],
        inside[box.y_stop : box.y_stop + 1, box.x_start : box.x_stop],
        inside[box.y_start : box.y_stop, box.x_start - 1 : box.x_start],
        inside[box.y_start : box.y_stop, box.x_stop : box.x_stop + 1],
    ):
        assert line.size == 0 or not line.all()
    sine, cosine = abs(np.sin(angle)), abs(np.cos(angle))
    largest = ((side - 1) / (sine + cosine)) ** 2  # the square in a turned square
    assert np.prod(box.shape) >= 0.97 * largest


def test_the_shared_grid_lies_in_every_image_and_keeps_the_direction_of_the_first():
    wcses = [pointing(40.0), pointing(40.5, (15.2, -8.7)), pointing(220.0, (3.0, 4.0))]
    grid = shared_grid(wcses, [SHAPE] * 3)
    assert grid.shape[0] > 180 - 2 * 3
    assert grid.shape[1] > 270
    for number, (wcs, pixels) in enumerate(zip(wcses, grid.grids, strict=True)):
        assert coverage(pixels).all()
        x, y = np.array([10.0, 200.0]), np.array([20.0, 150.0])
        np.testing.assert_allclose(
            pixels.coordinates(y, x)[::-1, [0, 1], [0, 1]], between(grid.wcs, wcs)(x, y), atol=0.01
        )
        back = grid.mapping_from(number)(*between(grid.wcs, wcs)(x, y))
        np.testing.assert_allclose(back, [x, y], atol=1e-6)


@pytest.mark.parametrize("dec_deg", [30.2, 31.0, -40.0])
def test_images_of_different_fields_are_refused(dec_deg):
    with pytest.raises(WcsError, match=r"no part of the sky in common|too far apart"):
        shared_grid([pointing(), pointing(dec_deg=dec_deg)], [SHAPE] * 2)
