"""Images are found on a sky of simulated stars with nothing but their own stars."""

import dataclasses

import numpy as np
import pytest

from datalab.astro.sky.blind_solving import solve_blind
from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.quads import CODE_TOLERANCE, bins_near, bins_of, codes_of, neighbour_quads
from datalab.astro.sky.region import SkyRegion
from datalab.astro.sky.sky_cells import SkyCells
from datalab.astro.sky.sky_index import IndexStars, SkyIndex, SkyIndexError
from datalab.astro.sky.tangent_fit import tangent_wcs

SHAPE = (1000, 1500)
FIELD_DEG = 2.0


def sky(seed=1, *, stars=9000):
    """Return stars around a pole and across RA 0: 15 to 80 per square degree, counts rising by 10^0.3 per magnitude."""
    rng = np.random.default_rng(seed)
    ra_deg, dec_deg = rng.uniform(-10, 10, stars) % 360, np.degrees(np.arcsin(rng.uniform(0.95, 1.0, stars)))
    around_pole = rng.uniform(0, 360, stars // 3), np.degrees(np.arcsin(rng.uniform(0.999, 1.0, stars // 3)))
    ra_deg, dec_deg = np.concatenate([[ra_deg, dec_deg], around_pole], axis=1)
    magnitude = 12 + np.log10(rng.uniform(0, 1, ra_deg.size)) / 0.3
    return IndexStars(
        ra_deg=ra_deg, dec_deg=dec_deg, magnitude=magnitude,
        pm_ra_mas_yr=rng.normal(0, 20, ra_deg.size), pm_dec_mas_yr=rng.normal(0, 20, ra_deg.size), epoch_yr=2016.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stars():
    return sky()


@pytest.fixture(scope="module")
def index(stars, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "simulated.sky"
    rows = np.array_split(np.arange(stars.ra_deg.size), 3)
    overlapping = [stars.rows(rows[0]), stars.rows(np.concatenate(rows[:2])), stars.rows(rows[2])]
    build_index(path, overlapping, least_field_deg=FIELD_DEG, reference="simulated")
    return SkyIndex.open(path)


def image(stars, centre, *, mirrored=False, rotation_deg=0.0, seed=1, field_deg=FIELD_DEG):
    """Return the true WCS and what a camera finds: a tenth of the stars missing, others added, magnitudes noisy."""
    rng = np.random.default_rng(seed)
    cosine, sine = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    matrix = field_deg / SHAPE[0] * np.diag([1 if mirrored else -1, 1]) @ [[cosine, -sine], [sine, cosine]]
    wcs = tangent_wcs(centre, matrix, crpix=(SHAPE[1] / 2, SHAPE[0] / 2))
    x, y = wcs.all_world2pix(stars.ra_deg, stars.dec_deg, 0)
    shown = np.flatnonzero((x > 0) & (y > 0) & (x < SHAPE[1] - 1) & (y < SHAPE[0] - 1))
    shown = shown[rng.random(shown.size) > 0.1]
    positions = np.column_stack([x, y])[shown] + rng.normal(0, 0.2, (shown.size, 2))
    positions = np.concatenate([positions, rng.uniform(0, 1, (shown.size, 2)) * SHAPE[::-1]])
    magnitude = np.concatenate(
        [stars.magnitude[shown] + rng.normal(0, 0.3, shown.size), rng.uniform(10, 14, shown.size)]
    )
    return wcs, positions[np.argsort(magnitude)]


@pytest.mark.parametrize(
    ("centre", "circumstances"),
    [
        ((2.0, 76.0), {}),
        ((0.01, 74.0), {"rotation_deg": 77.0}),
        ((359.5, 77.0), {"rotation_deg": 190.0, "mirrored": True}),
        ((40.0, 89.6), {"rotation_deg": -50.0}),
        ((5.0, 76.0), {"field_deg": 4.0}),
    ],
)
def test_an_image_is_found_without_position_and_scale(index, stars, centre, circumstances):
    true, found = image(stars, centre, **circumstances)
    solution = solve_blind(found, SHAPE, index)
    x, y = np.array([0, SHAPE[1], 0, SHAPE[1]]), np.array([0, 0, SHAPE[0], SHAPE[0]])
    pixel_arcsec = circumstances.get("field_deg", FIELD_DEG) / SHAPE[0] * 3600
    assert true.pixel_to_world(x, y).separation(solution.wcs.pixel_to_world(x, y)).arcsec.max() < pixel_arcsec
    assert solution.n_stars >= 8


def test_other_skies_are_found_nowhere(index):
    """As no chance coincidence may pass, neither do images of which the scale is known wrongly."""
    other = sky(seed=2)
    for seed, centre in enumerate([(2.0, 76.0), (0.01, 74.0), (40.0, 89.6)]):
        assert solve_blind(image(other, centre, seed=seed)[1], SHAPE, index) is None
    rng = np.random.default_rng(1)
    assert solve_blind(rng.uniform(0, 1000, (300, 2)), SHAPE, index) is None
    assert solve_blind(rng.uniform(0, 1000, (5, 2)), SHAPE, index) is None


def test_a_known_scale_rules_out_others(index, stars):
    _, found = image(stars, (2.0, 76.0))
    assert solve_blind(found, SHAPE, index, scales_arcsec=(1.0, 2.0)) is None
    assert solve_blind(found, SHAPE, index, scales_arcsec=(6.5, 8.0)) is not None


@pytest.mark.parametrize("region", [(1.0, 76.0, 1.5), (0.0, 74.5, 2.0), (123.0, 89.7, 1.0), (10.0, -60.0, 1.0)])
def test_the_stars_of_a_circle_come_brightest_first(index, stars, region):
    ra_deg, dec_deg, radius_deg = region
    found = index.stars(SkyRegion(ra_deg=ra_deg, dec_deg=dec_deg, radius_deg=radius_deg))
    assert (np.diff(found.magnitude) >= 0).all()
    cosine = np.sin(np.radians(dec_deg)) * np.sin(np.radians(stars.dec_deg)) + np.cos(np.radians(dec_deg)) * np.cos(
        np.radians(stars.dec_deg)
    ) * np.cos(np.radians(stars.ra_deg - ra_deg))
    inside = stars.rows(cosine >= np.cos(np.radians(radius_deg)))
    assert found.ra_deg.size <= inside.ra_deg.size
    if inside.ra_deg.size:
        assert found.ra_deg.size > 3 * np.pi * radius_deg**2  # the brightest of each patch
        np.testing.assert_allclose(found.magnitude[0], inside.magnitude.min(), atol=1e-3)
        ra_later, dec_later = found.at(2026.0)
        moved_mas = np.hypot((ra_later - found.ra_deg) * np.cos(np.radians(found.dec_deg)), dec_later - found.dec_deg)
        moved_mas *= 3.6e6
        np.testing.assert_allclose(moved_mas, 10 * np.hypot(found.pm_ra_mas_yr, found.pm_dec_mas_yr), rtol=1e-3)


def test_stars_that_come_twice_are_listed_once(index):
    everything = index.stars(SkyRegion(ra_deg=0.0, dec_deg=80.0, radius_deg=25.0))
    places = np.round(np.column_stack([everything.ra_deg, everything.dec_deg]), 5)
    assert len(np.unique(places, axis=0)) == len(places) == index.n_stars


def test_codes_do_not_change_with_shift_rotation_and_scale():
    rng = np.random.default_rng(4)
    corners = rng.normal(0, 1, (500, 4)) + 1j * rng.normal(0, 1, (500, 4))
    codes, order = codes_of(corners)
    moved = corners[:, ::-1] * (3.0 - 2.0j) + (100.0 - 7.0j)
    other_codes, other_order = codes_of(moved)
    np.testing.assert_allclose(codes, other_codes, atol=1e-9)
    np.testing.assert_array_equal(order, 3 - other_order)
    mirrored, _ = codes_of(corners.conj())
    np.testing.assert_allclose(mirrored[:, [1, 3]], -codes[:, [1, 3]], atol=1e-9)


def test_bins_near_a_code_hold_all_codes_within_the_tolerance():
    rng = np.random.default_rng(5)
    codes = np.column_stack(
        [rng.uniform(0, 1, 400), rng.uniform(-0.8, 0.8, 400), rng.uniform(0, 1, 400), rng.uniform(-0.8, 0.8, 400)]
    )
    which, bins = bins_near(codes)
    looked_into = {number: set(bins[which == number].tolist()) for number in range(400)}
    for _ in range(5):
        off = bins_of(codes + rng.uniform(-CODE_TOLERANCE, CODE_TOLERANCE, codes.shape))
        assert all(int(bin_) in looked_into[number] for number, bin_ in enumerate(off))


def test_quads_come_once():
    quads = neighbour_quads(np.random.default_rng(6).uniform(0, 1, (50, 2)), 5)
    assert len({tuple(quad) for quad in quads.tolist()}) == len(quads)
    assert all(len(set(quad)) == 4 for quad in quads.tolist())
    assert len(neighbour_quads(np.zeros((3, 2)), 5)) == 0


@pytest.mark.parametrize("width_deg", [0.3, 1.0, 7.0, 40.0])
def test_every_place_is_in_a_cell_near_itself(width_deg):
    cells = SkyCells(width_deg)
    rng = np.random.default_rng(7)
    ra_deg = np.concatenate([rng.uniform(0, 360, 300), [0.0, 360.0, 359.999999, 10.0, 10.0]])
    dec_deg = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, 300))), [0.0, 0.0, 5.0, 90.0, -90.0]])
    own = cells.of(ra_deg, dec_deg)
    assert own.min() >= 0
    assert own.max() < cells.count
    for ra, dec, cell in zip(ra_deg, dec_deg, own, strict=True):
        assert cell in cells.near(ra + 0.01, dec, 0.05)
        assert cell in cells.near(ra, max(-90.0, min(90.0, dec - 1.0)), 1.01)


def test_a_damaged_index_is_told(tmp_path, index, stars):
    path = tmp_path / "some.sky"
    build_index(path, [stars], least_field_deg=FIELD_DEG, reference="simulated")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SkyIndexError, match=r"some\.sky is cut short"):
        SkyIndex.open(path)
    path.write_bytes(b"SIMPLE  =")
    with pytest.raises(SkyIndexError, match="is not a star index of this version"):
        SkyIndex.open(path)
    assert list(tmp_path.iterdir()) == [path]


def test_catalogues_of_several_epochs_are_refused(tmp_path, stars):
    other = dataclasses.replace(stars, epoch_yr=2000.0)
    with pytest.raises(ValueError, match="several epochs"):
        build_index(tmp_path / "some.sky", [stars, other], least_field_deg=FIELD_DEG, reference="simulated")
