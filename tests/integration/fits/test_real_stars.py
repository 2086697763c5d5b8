"""Plate solving of real stars: three frames of one field in three filters, each against what another one measured."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.sky.blind_solving import solve_blind
from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.plate_solving import CatalogueStars, Hint, refined, solve_plate
from datalab.astro.sky.sky_index import IndexStars, SkyIndex

REAL_DATA = os.environ.get("DATALAB_REAL_DATA")
pytestmark = pytest.mark.skipif(not REAL_DATA, reason="DATALAB_REAL_DATA names no folder with blue.fits and others")
#: M 101, as the catalogues of the frames have it; 2400 pixels of 0.74 arcsec.
SHAPE = (2400, 2400)
MIDDLE = (210.81, 54.35)
SCALE_ARCSEC = 0.74


def catalogue(name):
    table = Table.read(Path(REAL_DATA) / f"{name}.fits", hdu="CAT")
    return table[np.argsort(-table["flux"])]


def listed(name):
    table = catalogue(name)
    return CatalogueStars(ra_deg=np.asarray(table["ra"]), dec_deg=np.asarray(table["dec"]))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Return an index of the stars of the green frame among those of a made-up sky of the same density around it."""
    green = catalogue("green")
    rng = np.random.default_rng(1)
    count = 40_000
    ra_deg = np.concatenate([green["ra"], rng.uniform(195, 225, count)])
    dec_deg = np.concatenate([green["dec"], rng.uniform(45, 65, count)])
    magnitude = np.concatenate([25 - 2.5 * np.log10(green["flux"]), 14 + np.log10(rng.uniform(0, 1, count)) / 0.3])
    hole = (np.abs(ra_deg - MIDDLE[0]) < 0.45) & (np.abs(dec_deg - MIDDLE[1]) < 0.26)
    hole[: len(green)] = False
    still = np.zeros(ra_deg.size)
    stars = IndexStars(
        ra_deg=ra_deg, dec_deg=dec_deg, magnitude=magnitude, pm_ra_mas_yr=still, pm_dec_mas_yr=still, epoch_yr=2016.0
    )
    path = tmp_path_factory.mktemp("index") / "real.sky"
    build_index(path, [stars.rows(~hole)], least_field_deg=0.4, reference="green frame")
    return SkyIndex.open(path)


@pytest.mark.parametrize("name", ["blue", "red"])
def test_a_frame_is_solved_by_the_stars_of_another(name):
    hint = Hint(ra_deg=MIDDLE[0] + 0.1, dec_deg=MIDDLE[1] - 0.08, pixel_scale_arcsec=1.04 * SCALE_ARCSEC)
    solution = solve_plate(star_positions(catalogue(name)), SHAPE, listed("green"), hint)
    assert solution.n_stars > 100
    assert solution.rms_arcsec < 0.25
    table = catalogue(name)
    ra_deg, dec_deg = solution.wcs.all_pix2world(table["xwin"], table["ywin"], 1)
    off_arcsec = 3600 * np.hypot((ra_deg - table["ra"]) * np.cos(np.radians(dec_deg)), dec_deg - table["dec"])
    assert np.median(off_arcsec) < 1.0  # as far as the solutions of the two frames are apart


@pytest.mark.parametrize("name", ["blue", "red"])
def test_a_frame_is_found_among_many(index, name):
    stars = star_positions(catalogue(name))
    solution = solve_blind(stars, SHAPE, index)
    exact = refined(stars, SHAPE, listed("green"), solution.wcs)
    assert exact.rms_arcsec < 0.25
    middle = exact.wcs.pixel_to_world(SHAPE[1] / 2, SHAPE[0] / 2)
    assert middle.ra.deg == pytest.approx(MIDDLE[0], abs=0.05)


@pytest.mark.parametrize("name", ["fits_1", "fits_2"])
def test_a_frame_of_elsewhere_is_not_found(index, name):
    table = Table.read(Path(REAL_DATA) / f"{name}.fits.fz", hdu="CAT")
    assert solve_blind(star_positions(table), (1024, 1024), index) is None
