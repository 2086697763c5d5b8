import pytest

from datalab.astro.mosaics.agreement import largest_offset_px
from support import star_frames
from support.star_frames import view

SHAPE = (200, 300)


@pytest.mark.parametrize(
    ("seen", "offset_px"),
    [
        (view(side=300), 0.0),
        (view(side=300, shift_px=(5.8, 0.0)), 5.8),
        (view(side=300, scale=1.01), 0.01 * 211.4),  # from the middle of the view to the corner at (0, 0)
        (view(side=300, shift_px=(1e5, 0.0)), 1e5),  # another sky
    ],
)
def test_the_worst_offset_is_told(seen, offset_px):
    found = largest_offset_px(star_frames.sky_wcs(seen), star_frames.sky_wcs(view(side=300)), SHAPE)
    assert found == pytest.approx(offset_px, rel=0.02, abs=1e-6)


def test_the_other_side_of_the_sky_is_infinitely_far():
    here = star_frames.sky_wcs(view(side=300))
    there = star_frames.sky_wcs(view(side=300), ra_deg=263.0, dec_deg=5.4)
    assert largest_offset_px(here, there, SHAPE) == float("inf")
