from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from datalab.astro.sky.gaia import mean_epoch_yr, positions_at, read_stars
from datalab.astro.sky.region import SkyRegion
from support.gaia_server import archive_stars, votable

RA, DEC = 202.47, 47.2
ARCSEC = 1 / 3600


def read(rows, *, radius_deg=0.5, **options):
    region = SkyRegion(ra_deg=RA, dec_deg=DEC, radius_deg=radius_deg)
    return read_stars(BytesIO(votable(rows, **options)), region)


@pytest.fixture
def rows():
    """Three stars, the second brightest first, the last with a position only."""
    return archive_stars(
        source_id=np.array([4472832130942575872, 12, 13]),
        ra=[RA, RA + 0.01, RA],
        dec=[DEC, DEC, DEC + 0.01],
        pmra=[-5.25, 1, np.nan],
        pmdec=[3.5, 2, np.nan],
        parallax=[1.25, -0.5, np.nan],
        parallax_error=[0.03, 0.4, np.nan],
        ruwe=[1.01, 1.7, np.nan],
        phot_g_mean_mag=[14.0, 12.0, 20.5],
        r_med_geo=[801, 5000, np.nan],
        r_lo_geo=[780, 3000, np.nan],
        r_hi_geo=[825, 9000, np.nan],
        g_sdss_mag=[14.4, np.nan, np.nan],
        g_sdss_flux=[1000.0, -3.0, np.nan],
        g_sdss_flux_error=[10.0, 10.0, np.nan],
    )


@pytest.mark.parametrize("serialization", ["BINARY2", "TABLEDATA"])
def test_what_the_archive_sends_is_read(rows, serialization):
    stars = read(rows, serialization=serialization)
    assert stars["source_id"].tolist() == [12, 4472832130942575872, 13]  # brightest first; no digit lost
    star = stars[1]
    assert (star["ra"], star["dec"], star["ref_epoch"]) == (RA, DEC, 2016.0)
    assert (star["pmra"], star["pmdec"]) == (-5.25, 3.5)
    assert [star[name] for name in ("distance", "distance_lo", "distance_hi")] == [801, 780, 825]
    assert star["parallax_error"] == pytest.approx(0.03)
    assert star["sdss_g"] == pytest.approx(14.4)
    assert not stars.meta["truncated"]


def test_the_zero_point_of_parallaxes_is_taken_off(rows):
    assert read(rows)["parallax"][:2].tolist() == pytest.approx([-0.483, 1.267], abs=1e-12)


def test_what_the_archive_does_not_know_is_nan(rows):
    stars = read(rows)
    assert not any(hasattr(column, "mask") for column in stars.itercols())
    known = {name for name in stars.colnames if name != "source_id" and np.isfinite(stars[name][2])}
    assert known == {"ra", "dec", "ref_epoch", "phot_g_mean_mag"}


def test_errors_of_synthetic_magnitudes_have_a_floor(rows):
    assert read(rows)["sdss_g_error"][1] == pytest.approx(np.hypot(1.0857 * 10 / 1000, 0.03), abs=1e-6)
    assert np.isnan(read(rows)["sdss_g_error"][0])  # of a flux below zero there is no magnitude


def test_columns_have_their_units(rows):
    stars = read(rows)
    assert stars["pmra"].unit == u.mas / u.yr
    assert stars["distance_lo"].unit == u.pc
    assert stars["sdss_z_error"].unit == u.mag
    assert stars["ruwe"].unit is None


def test_stars_beside_the_circle_are_left_out(rows):
    assert read(rows, radius_deg=0.008)["source_id"].tolist() == [12, 4472832130942575872]  # 0.0068 and 0 deg away


def test_an_empty_field_is_an_empty_table(rows):
    stars = read({name: column[:0] for name, column in rows.items()})
    assert len(stars) == 0
    assert stars["pmra"].dtype == np.float64
    assert positions_at(stars, 2026.5)[0].shape == (0,)


def test_a_field_with_too_many_stars_says_so(rows, monkeypatch):
    assert read(rows, overflow=True).meta["truncated"]
    monkeypatch.setattr("datalab.astro.sky.gaia.MAX_STARS", 3)
    assert read(rows, radius_deg=0.008).meta["truncated"]


def test_a_table_without_our_columns_is_refused(rows):
    with pytest.raises(ValueError, match="no column ref_epoch, pmra"):
        read(rows, names=("source_id", "ra", "dec"))


def moving(ra, dec, pmra, pmdec):
    columns = {"ra": ra, "dec": dec, "pmra": pmra, "pmdec": pmdec, "ref_epoch": np.full(len(ra), 2016.0)}
    return Table({name: np.asarray(values, dtype=float) for name, values in columns.items()})


def test_a_star_moves_by_its_proper_motion():
    ra, dec = positions_at(moving([10, 10], [60, 60], [3600, 0], [0, 3600]), 2026.0)
    assert (ra - 10) * 3600 == pytest.approx([72.0, 0], abs=0.01)  # 36" on the sky: a degree of RA is half as long
    assert (dec - 60) * 3600 == pytest.approx([0, 36.0], abs=0.01)


def test_stars_without_known_motion_stay():
    ra, dec = positions_at(moving([10, 10], [20, 20], [np.nan, 5], [5, np.nan]), 2026.0)
    assert ra[0] == pytest.approx(10, abs=1e-12)
    assert dec[1] == pytest.approx(20, abs=1e-12)


def test_moved_positions_are_those_of_astropy():
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 300), np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    ra[:2], dec[:2] = [359.99999, 12], [0, 89.9999]
    pmra, pmdec = rng.normal(0, 300, (2, 300))
    motion = {"pm_ra_cosdec": pmra * u.mas / u.yr, "pm_dec": pmdec * u.mas / u.yr, "distance": 100 * u.pc}
    before = SkyCoord(ra * u.deg, dec * u.deg, obstime=Time(2016, format="jyear", scale="tdb"), **motion)
    after = before.apply_space_motion(Time(2026.5, format="jyear", scale="tdb"))
    moved = SkyCoord(*positions_at(moving(ra, dec, pmra, pmdec), 2026.5), unit="deg")
    assert moved.separation(after).arcsec.max() < 0.001


def test_the_epoch_is_the_mean_of_both_images():
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert mean_epoch_yr([first, second]) == 2026.5
    assert mean_epoch_yr([None, second]) == 2027.0
    assert mean_epoch_yr([datetime(2024, 7, 2, tzinfo=UTC)]) == pytest.approx(2024.5, abs=0.001)
    assert mean_epoch_yr([None, None]) is None
