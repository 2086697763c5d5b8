import dataclasses
import math

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from datalab.astro.sky.gaia_query import MAX_RADIUS_DEG
from datalab.astro.sky.plate_solving import (
    CatalogueStars,
    Hint,
    PlateSolvingError,
    is_beyond_chance,
    search_region,
    solve_plate,
)
from datalab.astro.sky.tangent_fit import from_plane

SHAPE = (800, 1200)
SCALE_ARCSEC = 0.6


@dataclasses.dataclass(frozen=True)
class Plate:
    """Stars found in an image, of which a fifth is false and a fifth is missing, and the sky around it."""

    wcs: WCS
    stars: np.ndarray
    sky: CatalogueStars

    def hint(self, *, off_fields=0.5, scale_error=0.05, known_scale=True):
        """Return a hint that is off the middle of the image by so many fields (of its longer side)."""
        middle = self.wcs.pixel_to_world((SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2)
        away = middle.directional_offset_by(2.1 * units.rad, off_fields * max(SHAPE) * SCALE_ARCSEC * units.arcsec)
        scale = SCALE_ARCSEC * (1 + scale_error) if known_scale else None
        return Hint(ra_deg=float(away.ra.deg), dec_deg=float(away.dec.deg), pixel_scale_arcsec=scale)

    def near(self, hint):
        """Return the stars that the catalogue gives for a hint."""
        circle = search_region(hint, SHAPE)
        there = SkyCoord(self.sky.ra_deg, self.sky.dec_deg, unit="deg")
        near = there.separation(SkyCoord(circle.ra_deg, circle.dec_deg, unit="deg")).deg <= circle.radius_deg
        return CatalogueStars(ra_deg=self.sky.ra_deg[near], dec_deg=self.sky.dec_deg[near])

    def error_arcsec(self, wcs):
        """Return how wrong a solution is in the worst corner."""
        x, y = np.array([0, SHAPE[1], 0, SHAPE[1]]), np.array([0, 0, SHAPE[0], SHAPE[0]])
        return self.wcs.pixel_to_world(x, y).separation(wcs.pixel_to_world(x, y)).arcsec.max()


def plate(seed, *, ra_deg=150.0, dec_deg=-30.0, rotation_deg=0.0, mirrored=False, stars_per_deg2=3000):
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-0.7, 0.7, (2, round(1.4**2 * stars_per_deg2)))
    ra, dec = from_plane(east, north, (ra_deg, dec_deg))
    magnitude = np.sort(18 - rng.exponential(1.4, ra.size))  # counts of stars rise by 10^0.3 per magnitude
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [ra_deg, dec_deg]
    wcs.wcs.crpix = [SHAPE[1] / 2, SHAPE[0] / 2]
    cosine, sine = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    wcs.wcs.cd = SCALE_ARCSEC / 3600 * np.diag([1 if mirrored else -1, 1]) @ [[cosine, -sine], [sine, cosine]]
    wcs.wcs.set()
    x, y = wcs.all_world2pix(ra, dec, 0)
    shown = np.flatnonzero((x > 0) & (y > 0) & (x < SHAPE[1] - 1) & (y < SHAPE[0] - 1))
    shown = shown[rng.random(shown.size) > 0.2]
    false = shown.size // 4
    positions = np.column_stack([x, y])[shown] + rng.normal(0, 0.1, (shown.size, 2))
    positions = np.concatenate([positions, rng.uniform(0, 1, (false, 2)) * SHAPE[::-1]])
    seen = np.concatenate([magnitude[shown] + rng.normal(0, 0.3, shown.size), rng.choice(magnitude[shown], false)])
    return Plate(wcs, positions[np.argsort(seen)], CatalogueStars(ra_deg=ra, dec_deg=dec))


@pytest.mark.parametrize(
    ("circumstances", "scale_error"),
    [
        ({"rotation_deg": 0.0}, 0.05),
        ({"rotation_deg": 77.0, "ra_deg": 0.02}, -0.05),
        ({"rotation_deg": 180.0, "dec_deg": 89.9}, 0.05),
        ({"rotation_deg": -120.0, "stars_per_deg2": 1200}, 0.0),
        ({"rotation_deg": 33.0, "stars_per_deg2": 20_000}, -0.05),
        ({"rotation_deg": 200.0, "mirrored": True}, 0.05),
    ],
)
def test_any_field_is_solved_to_a_tenth_of_an_arcsec(circumstances, scale_error):
    true = plate(1, **circumstances)
    hint = true.hint(scale_error=scale_error)
    solution = solve_plate(true.stars, SHAPE, true.near(hint), hint)
    assert true.error_arcsec(solution.wcs) < 0.1
    assert solution.rms_arcsec == pytest.approx(0.1 * np.sqrt(2) * SCALE_ARCSEC, rel=0.25)
    assert solution.n_stars > 0.7 * true.stars.shape[0]
    assert list(solution.wcs.wcs.ctype) == ["RA---TAN", "DEC--TAN"]


def test_an_unknown_scale_is_searched():
    true = plate(2, rotation_deg=15)
    hint = true.hint(off_fields=0.2, known_scale=False)
    assert true.error_arcsec(solve_plate(true.stars, SHAPE, true.near(hint), hint).wcs) < 0.1


def test_other_stars_are_refused():
    image, elsewhere = plate(3, stars_per_deg2=1000), plate(4, stars_per_deg2=1000)
    hint = image.hint()
    with pytest.raises(PlateSolvingError, match=rf"brings the {len(image.stars)} stars found in it onto those"):
        solve_plate(image.stars, SHAPE, elsewhere.near(hint), hint)


def test_a_coincidence_proves_nothing():
    true = plate(1)
    hint = true.hint()
    solution = solve_plate(true.stars, SHAPE, true.near(hint), hint)
    assert is_beyond_chance(solution, true.stars, SHAPE, true.near(hint))
    few = dataclasses.replace(solution, n_stars=6, rms_arcsec=2.0)
    assert not is_beyond_chance(few, true.stars, SHAPE, true.near(hint))


def test_too_few_stars_are_counted():
    true = plate(5)
    hint = true.hint()
    with pytest.raises(PlateSolvingError, match="only 2 stars were found in it and 4 are needed"):
        solve_plate(true.stars[:2], SHAPE, true.near(hint), hint)
    with pytest.raises(PlateSolvingError, match="the star catalogue has only 0 stars there"):
        solve_plate(true.stars, SHAPE, CatalogueStars(ra_deg=np.empty(0), dec_deg=np.empty(0)), hint)


@pytest.mark.parametrize("dec_deg", [0.0, -42.3, 89.97, -90.0])
def test_the_circle_holds_everything_the_image_may_show(dec_deg):
    rng = np.random.default_rng(6)
    for ra_deg, scale in zip(rng.uniform(-10, 370, 20), rng.uniform(0.2, 1.5, 20), strict=True):
        hint = Hint(ra_deg=ra_deg, dec_deg=dec_deg, pixel_scale_arcsec=scale)
        circle = search_region(hint, SHAPE)
        off = SkyCoord(ra_deg, dec_deg, unit="deg").separation(SkyCoord(circle.ra_deg, circle.dec_deg, unit="deg")).deg
        needed = (math.hypot(*SHAPE) / 2 + 0.5 * max(SHAPE)) * 1.05 * scale / 3600
        assert off + needed <= circle.radius_deg < 1.6 * needed
        assert 0 <= circle.ra_deg < 360


def test_frames_of_one_field_share_a_circle():
    circles = {
        search_region(Hint(ra_deg=150 + drift, dec_deg=-30 - drift, pixel_scale_arcsec=0.6 * (1 + drift)), SHAPE)
        for drift in np.linspace(0, 2e-3, 20)
    }
    assert len(circles) <= 2


def test_the_circle_is_never_wider_than_the_catalogue_gives():
    hint = Hint(ra_deg=10, dec_deg=20, pixel_scale_arcsec=5.0)
    assert search_region(hint, (4000, 4000)).radius_deg == MAX_RADIUS_DEG
