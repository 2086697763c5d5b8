"""Plate solving never makes world coordinates worse: distortions are kept, or fitted where the stars tell them."""

import numpy as np
import pytest
from astropy.wcs import WCS, Sip

from datalab.astro.sky.better_wcs import Places, choose
from datalab.astro.sky.plate_solving import CatalogueStars, refined
from datalab.astro.sky.sip_fit import fit_sip_wcs, fit_wcs
from datalab.astro.sky.tangent_fit import from_plane, tangent_wcs

SHAPE = (800, 1200)
SCALE_DEG = 0.6 / 3600
NOISE_PX = 0.1
CENTRE = (150.0, -30.0)
CORNERS = np.array([0, SHAPE[1] - 1.0, 0, SHAPE[1] - 1.0]), np.array([0, 0, SHAPE[0] - 1.0, SHAPE[0] - 1.0])


def camera(cubic_px=0.0, *, rotation_deg=20.0, off_px=(0.0, 0.0), centre=CENTRE):
    """Return world coordinates with a radial distortion of so many pixels at 600 pixels from the middle."""
    cosine, sine = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    matrix = SCALE_DEG * np.diag([-1, 1]) @ [[cosine, -sine], [sine, cosine]]
    wcs = tangent_wcs(centre, matrix, crpix=np.add([600.5, 400.5], off_px))
    if cubic_px:
        a, b = np.zeros((2, 4, 4))
        a[3, 0] = a[1, 2] = b[0, 3] = b[2, 1] = cubic_px / 600**3
        wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
        wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        wcs.wcs.set()
    return wcs


def places(true, count, *, seed=1, noise_px=NOISE_PX):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 1, (2, count)) * np.array([[SHAPE[1] - 1], [SHAPE[0] - 1]])
    ra_deg, dec_deg = true.all_pix2world(x, y, 0)
    return Places(
        x=x + rng.normal(0, noise_px, count), y=y + rng.normal(0, noise_px, count), ra_deg=ra_deg, dec_deg=dec_deg
    )


def error_px(wcs, true):
    """Return how wrong world coordinates are in the worst corner."""
    separation = wcs.pixel_to_world(*CORNERS).separation(true.pixel_to_world(*CORNERS))
    return separation.deg.max() / SCALE_DEG


def chosen(known, before):
    wcs, order = fit_wcs(known.x, known.y, known.ra_deg, known.dec_deg, SHAPE)
    return choose(wcs, order, before, known, SHAPE)


@pytest.mark.parametrize(("cubic_px", "count", "order"), [(0.0, 300, 1), (4.0, 300, 3), (4.0, 20, 1), (0.02, 300, 1)])
def test_the_order_is_what_the_stars_tell(cubic_px, count, order):
    known = places(camera(cubic_px), count)
    wcs, fitted = fit_wcs(known.x, known.y, known.ra_deg, known.dec_deg, SHAPE)
    assert fitted == order
    if count == 300:
        assert error_px(wcs, camera(cubic_px)) < 0.15


def test_chance_rarely_adds_a_term():
    orders = []
    for seed in range(40):
        known = places(camera(), 60, seed=seed)
        orders.append(fit_wcs(known.x, known.y, known.ra_deg, known.dec_deg, SHAPE)[1])
    assert orders.count(1) >= 39


def test_what_is_written_can_be_read_and_inverted():
    true = camera(4.0)
    known = places(true, 300, noise_px=0.0)
    wcs = fit_sip_wcs(known.x, known.y, known.ra_deg, known.dec_deg, SHAPE, order=3)
    read = WCS(wcs.to_header(relax=True))
    assert error_px(read, true) < 1e-4
    by_inverse = read.sip_foc2pix(*read.sip_pix2foc(*CORNERS, 1), 1)  # AP and BP alone
    np.testing.assert_allclose(np.add(by_inverse, 0), CORNERS, atol=0.05)


@pytest.mark.parametrize("count", [8, 25, 300])
def test_a_right_solution_is_kept(count):
    """F8: a good SIP solution was replaced by a plain TAN, 3.7 arcsec off in the corners."""
    true = camera(4.0)
    wcs, how = chosen(places(true, count), true)
    assert how == "kept"
    assert wcs is true


@pytest.mark.parametrize("count", [8, 25, 300])
def test_a_moved_image_keeps_its_distortion_if_stars_are_few(count):
    true = camera(4.0)
    before = camera(4.0, rotation_deg=20.3, centre=np.add(CENTRE, [30 * SCALE_DEG, -12 * SCALE_DEG]))
    wcs, how = chosen(places(true, count), before)
    assert how == "distortion kept"
    assert error_px(wcs, true) < (0.4 if count == 8 else 0.2)


def test_a_wrong_distortion_is_fitted_anew():
    true = camera(4.0)
    wcs, how = chosen(places(true, 300), camera(-2.0, off_px=(5.0, 5.0)))
    assert how == "fitted"
    assert error_px(wcs, true) < 0.2


def test_no_solution_is_ever_worse_than_the_one_before():
    """Of whatever quality the old one is: the new error is above the old one's by no more than noise."""
    rng = np.random.default_rng(5)
    for seed in range(30):
        true = camera(rng.choice([0.0, 1.0, 4.0]), rotation_deg=rng.uniform(0, 360))
        wrong = rng.choice([0.0, 0.02, 0.2, 2.0, 20.0])
        before = true.deepcopy()
        before.wcs.crval = np.add(before.wcs.crval, rng.normal(0, wrong * SCALE_DEG, 2))
        before.wcs.set()
        count = int(rng.choice([6, 12, 40, 200]))
        wcs, _ = chosen(places(true, count, seed=seed), before)
        x, y = np.meshgrid(np.linspace(0, SHAPE[1] - 1, 7), np.linspace(0, SHAPE[0] - 1, 7))
        old, new = (
            np.sqrt(np.mean(which.pixel_to_world(x, y).separation(true.pixel_to_world(x, y)).deg ** 2)) / SCALE_DEG
            for which in (before, wcs)
        )
        assert new < max(1.01 * old, 6 * NOISE_PX / np.sqrt(count)), (seed, how_far(old, new))


def how_far(old, new):
    return f"{old:.3f} px before, {new:.3f} after"


def test_a_distorted_image_is_solved_to_its_corners():
    """Beyond the reach of a plain solution: stars of the corners are found once the distortion is fitted."""
    true = camera(15.0)
    rng = np.random.default_rng(3)
    ra_deg, dec_deg = from_plane(*rng.uniform(-0.2, 0.2, (2, 2500)), CENTRE)
    x, y = true.all_world2pix(ra_deg, dec_deg, 0)
    shown = (x > 0) & (y > 0) & (x < SHAPE[1] - 1) & (y < SHAPE[0] - 1)
    stars = np.column_stack([x, y])[shown] + rng.normal(0, NOISE_PX, (shown.sum(), 2))
    solution = refined(stars, SHAPE, CatalogueStars(ra_deg=ra_deg, dec_deg=dec_deg), camera())
    assert solution.sip_order >= 3
    assert solution.n_stars > 0.95 * shown.sum()
    assert error_px(solution.wcs, true) < 0.3
    assert solution.rms_before_arcsec is None
