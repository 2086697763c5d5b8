import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from astropy.wcs import WCS

from datalab.astro.catalogues.columns import CatalogueError, require_columns
from datalab.astro.catalogues.flux_ratio import flux_ratio
from datalab.astro.catalogues.transformed import carried, moved, with_sky_positions
from datalab.simulation.psf import Moffat


def three_sources():
    table = Table(
        {
            "x": [1.0, 10.0, 30.4],
            "y": [1.0, 8.0, 20.4],
            "xwin": [1.1, 10.1, 30.5],
            "ywin": [0.9, 8.1, 20.5],
            "xpeak": np.array([1, 10, 30]),
            "ypeak": np.array([1, 8, 20]),
            "flux": [300.0, 200.0, 100.0],
            "fluxerr": [3.0, 2.0, 1.0],
            "fluxaper3": [30.0, 20.0, 10.0],
            "fluxerr3": [0.3, 0.2, 0.1],
            "fluxrad50": [1.5, 1.6, 1.7],
            "peak": np.array([100, 60, 40]),
            "background": [5.0, 5.0, 5.0],
            "mag": [14.0, 15.0, 16.0],
            "flag": np.array([0, 0, 4]),
        }
    )
    table["x"].unit = "pix"
    table["flux"].unit = "count"
    return table


def test_a_cut_moves_positions_and_leaves_out_what_is_outside():
    kept = carried(three_sources(), shape=(10, 10), offset_px=(-5.0, -4.0))
    assert list(kept["x"]) == [5.0]
    assert list(kept["y"]) == [4.0]
    assert list(kept["xwin"]) == pytest.approx([5.1])
    assert (kept["xpeak"][0], kept["ypeak"][0]) == (5, 4)
    assert kept["xpeak"].dtype.kind == "i"
    assert list(kept["flux"]) == [200.0]
    assert str(kept["x"].unit) == "pix"


def test_the_outer_rim_of_the_outermost_pixels_is_the_edge():
    table = Table({"x": [0.49, 0.5, 10.49, 10.5], "y": [5.0, 5.0, 5.0, 5.0]})
    assert list(carried(table, shape=(10, 10))["x"]) == [0.5, 10.49]
    assert list(carried(table, shape=(4, 10))["x"]) == []


def test_counts_are_scaled_and_nothing_else():
    table = three_sources()
    scaled = carried(table, shape=(100, 100), scale=0.5)
    for name in ("flux", "fluxerr", "fluxaper3", "fluxerr3", "peak", "background"):
        np.testing.assert_allclose(scaled[name], np.asarray(table[name]) * 0.5)
    for name in ("x", "fluxrad50", "mag", "flag"):
        np.testing.assert_array_equal(scaled[name], table[name])
    assert str(scaled["flux"].unit) == "ct"
    assert list(table["flux"]) == [300.0, 200.0, 100.0]  # the given table is as it was


def test_errors_stay_positive_when_an_image_is_turned_negative():
    scaled = carried(three_sources(), shape=(100, 100), scale=-2.0)
    assert list(scaled["flux"]) == [-600.0, -400.0, -200.0]
    assert list(scaled["fluxerr"]) == [6.0, 4.0, 2.0]


def test_sources_without_position_are_left_out():
    table = Table({"x": [1.0, np.nan, 3.0], "y": MaskedColumn([1.0, 2.0, 3.0], mask=[False, False, True])})
    assert list(carried(table, shape=(10, 10))["x"]) == [1.0]


def test_missing_columns_are_named():
    with pytest.raises(CatalogueError, match="no column y, flux"):
        require_columns(Table({"x": [1.0]}), ["x", "y", "flux"])
    with pytest.raises(CatalogueError, match="no column x, y"):
        carried(Table({"ra": [1.0]}), shape=(10, 10))


def test_a_mapping_carries_shapes_along():
    """Turned by 90 degrees and enlarged twice: x' = 100 - 2 y, y' = 2 x."""
    table = Table(
        {
            "x": [10.0, 20.0],
            "y": [30.0, 5.0],
            "a": [3.0, 2.0],
            "b": [1.5, 2.0],
            "theta": [0.0, 0.0],
            "x2": [9.0, 4.0],
            "y2": [2.25, 4.0],
            "xy": [0.5, 0.0],
            "fwhm": [4.0, 4.5],
            "ellipticity": [0.5, 0.0],
            "flux": [10.0, 20.0],
        }
    )
    turned = moved(table, lambda x, y: (100.0 - 2.0 * y, 2.0 * x), shape=(200, 200), scale=3.0)
    np.testing.assert_allclose(turned["x"], [40.0, 90.0])
    np.testing.assert_allclose(turned["y"], [20.0, 40.0])
    np.testing.assert_allclose(turned["a"], [6.0, 4.0])
    np.testing.assert_allclose(turned["b"], [3.0, 4.0])
    assert abs(turned["theta"][0]) == pytest.approx(90.0)
    np.testing.assert_allclose(turned["x2"], [9.0, 16.0])
    np.testing.assert_allclose(turned["y2"], [36.0, 16.0])
    np.testing.assert_allclose(turned["xy"], [-2.0, 0.0])
    np.testing.assert_allclose(turned["fwhm"], [8.0, 9.0])
    np.testing.assert_allclose(turned["ellipticity"], [0.5, 0.0])
    np.testing.assert_allclose(turned["flux"], [30.0, 60.0])


def test_what_a_mapping_does_not_know_is_left_out():
    def half_known(x, y):
        return np.where(x > 15.0, np.nan, x), y

    assert list(moved(three_sources(), half_known, shape=(100, 100))["x"]) == [1.0, 10.0]


def simple_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 20.0]
    wcs.wcs.crpix = [10.0, 8.0]
    wcs.wcs.cd = [[-2e-4, 0.0], [0.0, 2e-4]]
    return wcs


def test_sky_positions_count_pixels_from_one():
    table = Table({"x": [10.0], "y": [8.0]})
    with_sky = with_sky_positions(table, simple_wcs())
    assert (with_sky["ra"][0], with_sky["dec"][0]) == pytest.approx((150.0, 20.0), abs=1e-12)
    assert str(with_sky["ra"].unit) == "deg"
    assert "ra" not in table.colnames


@pytest.mark.parametrize("name", ["declination first", "FK4"])
def test_sky_positions_are_icrs_whatever_the_axes_are(name):
    wcs = simple_wcs()
    if name == "FK4":
        wcs.wcs.radesys, wcs.wcs.equinox = "FK4", 1950.0
    else:
        wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cd = ["DEC--TAN", "RA---TAN"], [20.0, 150.0], [[0, 2e-4], [-2e-4, 0]]
    wcs.wcs.set()
    table = Table({"x": [1.0, 40.0], "y": [1.0, 30.0]})
    with_sky = with_sky_positions(table, wcs)
    true = wcs.pixel_to_world([0.0, 39.0], [0.0, 29.0]).icrs
    np.testing.assert_allclose(with_sky["ra"], true.ra.deg, atol=1e-9)
    np.testing.assert_allclose(with_sky["dec"], true.dec.deg, atol=1e-9)


def test_windowed_positions_go_before_and_known_sky_positions_are_kept():
    table = Table({"x": [11.0], "y": [8.0], "xwin": [10.0], "ywin": [8.0]})
    assert with_sky_positions(table, simple_wcs())["ra"][0] == pytest.approx(150.0, abs=1e-12)
    known = Table({"x": [10.0], "y": [8.0], "ra": [1.0], "dec": [2.0]})
    assert with_sky_positions(known, simple_wcs())["ra"][0] == 1.0
    assert with_sky_positions(known, simple_wcs(), replace=True)["ra"][0] == pytest.approx(150.0)


def star_images(*, ratio, shift=(0.0, 0.0), n=40):
    """Two noisy images of the same stars, the second `ratio` times as bright; and their catalogue on the first."""
    rng = np.random.default_rng(8)
    x, y = rng.uniform(30, 270, n), rng.uniform(30, 220, n)
    flux = rng.uniform(2e4, 2e5, n)
    first, second = np.full((250, 300), 100.0), np.full((250, 300), 400.0)
    Moffat(3.0).add_sources(first, x, y, flux)
    Moffat(3.5).add_sources(second, x + shift[0], y + shift[1], ratio * flux)
    table = Table({"x": x + 1.0, "y": y + 1.0, "flux": flux, "flag": np.zeros(n, int), "fwhm": np.full(n, 3.0)})
    return first + rng.normal(0, 5, first.shape), second + rng.normal(0, 5, first.shape), table


def test_the_flux_ratio_is_found_in_spite_of_sky_and_seeing():
    first, second, table = star_images(ratio=3.0)
    assert flux_ratio(second, first, table) == pytest.approx(3.0, rel=0.03)  # a wider star loses 2 % more
    assert flux_ratio(second, first, table, radius_px=12.0) == pytest.approx(3.0, rel=0.005)


def test_the_flux_ratio_follows_a_mapping_to_another_grid():
    first, second, table = star_images(ratio=0.25, shift=(7.3, -4.2))
    ratio = flux_ratio(second, first, table, mapping=lambda x, y: (x + 7.3, y - 4.2), radius_px=12.0)
    assert ratio == pytest.approx(0.25, rel=0.005)


def test_blank_pixels_and_edges_take_stars_out_of_the_ratio():
    first, second, table = star_images(ratio=2.0)
    damaged = second.copy()
    damaged[:, :200] = np.nan
    assert flux_ratio(damaged, first, table, radius_px=12.0) == pytest.approx(2.0, rel=0.01)
    damaged[:, :] = np.nan
    assert flux_ratio(damaged, first, table) is None
    table["flag"] = 4
    assert flux_ratio(second, first, table) is None
