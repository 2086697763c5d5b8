import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from datalab.astro.catalogues.lookup import CatalogueMagnitude, catalogue_magnitude, nearest_source

ARCSEC = 1 / 3600


def table(**columns):
    values = {"ra": [100.0, 100.01], "dec": [20.0, 20.0], "mag": [12.0, 13.5], "magerr": [0.01, 0.02]} | columns
    return Table({name: column for name, column in values.items() if column is not None})


def test_the_closest_source_counts_wherever_it_stands_in_the_list():
    found = nearest_source([100 + 3 * ARCSEC, 100 + ARCSEC], [20.0, 20.0], at_ra_deg=100.0, at_dec_deg=20.0)
    assert found == 1


def test_a_source_six_arcseconds_away_is_another_one():
    assert nearest_source([100.0], [20 + 6 * ARCSEC], at_ra_deg=100.0, at_dec_deg=20.0) is None
    assert nearest_source([100.0], [20 + 3.9 * ARCSEC], at_ra_deg=100.0, at_dec_deg=20.0) == 0


def test_right_ascension_has_no_seam():
    assert nearest_source([359.9999], [5.0], at_ra_deg=0.0001, at_dec_deg=5.0) == 0
    assert nearest_source([-0.0001], [5.0], at_ra_deg=359.9999, at_dec_deg=5.0) == 0


def test_arcseconds_of_right_ascension_shrink_towards_the_pole():
    assert nearest_source([100 + 6 * ARCSEC], [60.0], at_ra_deg=100.0, at_dec_deg=60.0) == 0  # 3" on the sky
    assert nearest_source([100 + 10 * ARCSEC], [60.0], at_ra_deg=100.0, at_dec_deg=60.0) is None


def test_agrees_with_astropy_anywhere_on_the_sphere():
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    sky = SkyCoord(ra, dec, unit="deg")
    for place in SkyCoord([0.0, 200.0, 10.0], [89.9, -45.0, -90.0], unit="deg"):
        found = nearest_source(ra, dec, at_ra_deg=place.ra.deg, at_dec_deg=place.dec.deg, radius_arcsec=1e6)
        assert found == int(np.argmin(place.separation(sky)))


def test_sources_without_position_are_not_there():
    assert nearest_source([np.nan, 100.0], [20.0, 20.0], at_ra_deg=100.0, at_dec_deg=20.0) == 1
    assert nearest_source([np.nan], [20.0], at_ra_deg=100.0, at_dec_deg=20.0) is None
    assert nearest_source([], [], at_ra_deg=100.0, at_dec_deg=20.0) is None


def test_the_magnitude_is_that_of_the_nearest_source():
    found = catalogue_magnitude(table(), ra_deg=100.01, dec_deg=20.0 + ARCSEC)
    assert found == CatalogueMagnitude(magnitude=13.5, error=0.02)


@pytest.mark.parametrize("missing", ["ra", "dec", "mag", "magerr"])
def test_a_catalogue_without_a_column_knows_nothing(missing):
    assert catalogue_magnitude(table(**{missing: None}), ra_deg=100.0, dec_deg=20.0) is None


def test_no_catalogue_knows_nothing():
    assert catalogue_magnitude(None, ra_deg=100.0, dec_deg=20.0) is None


@pytest.mark.parametrize("mag", [[np.nan, 13.5], MaskedColumn([12.0, 13.5], mask=[True, False])])
def test_a_source_without_magnitude_is_not_replaced_by_another(mag):
    assert catalogue_magnitude(table(mag=mag), ra_deg=100.0, dec_deg=20.0) is None
    assert catalogue_magnitude(table(mag=mag), ra_deg=100.01, dec_deg=20.0).magnitude == 13.5


def test_an_unknown_error_does_not_cost_the_magnitude():
    found = catalogue_magnitude(table(magerr=[np.nan, 0.02]), ra_deg=100.0, dec_deg=20.0)
    assert found.magnitude == 12.0
    assert np.isnan(found.error)
