import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from datalab.astro.catalogues.zero_point import with_magnitudes, zero_point

ZERO_POINT_MAG = 25.3


def sources(n=30, *, error=0.01):
    rng = np.random.default_rng(2)
    flux = np.geomspace(1e3, 1e5, n)
    return Table(
        {
            "xwin": rng.uniform(1, 500, n),
            "ywin": rng.uniform(1, 500, n),
            "flux": flux,
            "fluxerr": error * flux,
            "flag": np.zeros(n, int),
        }
    )


def known(table, *, scatter=0.0):
    rng = np.random.default_rng(3)
    magnitudes = ZERO_POINT_MAG - 2.5 * np.log10(table["flux"]) + rng.normal(0.0, scatter, len(table))
    return Table({"x": table["xwin"] + 0.3, "y": table["ywin"] - 0.3, "mag": magnitudes})


def test_the_magnitudes_of_the_catalogue_carry_over():
    found = sources()
    zero = zero_point(found, catalogue=known(found, scatter=0.02), header=fits.Header({"L1ZP": 1.0, "EXPTIME": 60.0}))
    assert zero.mag == pytest.approx(ZERO_POINT_MAG, abs=0.015)
    assert zero.error_mag == pytest.approx(0.02 * np.sqrt(np.pi / 2 / 30), rel=0.4)
    assert zero.origin == "30 stars of the catalogue of the input"


def test_flagged_faint_and_wrong_stars_do_not_count():
    found = sources()
    reference = known(found)
    found["flux"][:5] *= 100.0
    found["flag"][:5] = 4
    found["fluxerr"][5:8] = found["flux"][5:8]
    reference["mag"][8:12] += 3.0  # variable, or wrong
    reference["mag"][12] = np.nan
    zero = zero_point(found, catalogue=reference, header=fits.Header())
    assert zero.mag == pytest.approx(ZERO_POINT_MAG, abs=1e-9)
    assert zero.origin.startswith("21 stars")


@pytest.mark.parametrize(
    "catalogue",
    [None, Table({"x": [1.0], "y": [1.0], "flux": [3.0]}), Table({"x": [9e3] * 5, "y": [9e3] * 5, "mag": [10.0] * 5})],
)
def test_without_a_usable_catalogue_the_header_tells(catalogue):
    per_second = zero_point(sources(), catalogue=catalogue, header=fits.Header({"L1ZP": 22.0, "EXPTIME": 100.0}))
    assert per_second.mag == pytest.approx(27.0)
    assert np.isnan(per_second.error_mag)
    assert zero_point(sources(), catalogue=catalogue, header=fits.Header({"MAGZP": 26.1})).mag == 26.1
    assert zero_point(sources(), catalogue=catalogue, header=fits.Header({"L1ZP": 22.0})) is None


def test_no_sources_have_no_zero_point_of_their_own():
    assert zero_point(sources()[:0], catalogue=known(sources()), header=fits.Header()) is None


def test_magnitudes_and_their_errors():
    found = sources(error=0.02)
    zero = zero_point(found, catalogue=None, header=fits.Header({"MAGZP": 25.0}))
    with_mag = with_magnitudes(found, zero)
    np.testing.assert_allclose(with_mag["mag"], 25.0 - 2.5 * np.log10(found["flux"]))
    np.testing.assert_allclose(with_mag["magerr"], 0.0217147, rtol=1e-5)  # 2.5 / ln 10 x 0.02
    assert str(with_mag["mag"].unit) == "mag"
