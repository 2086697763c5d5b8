import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from datalab.astro.catalogues.colour_magnitude import (
    MeasuredStars,
    colour_magnitude_table,
    colour_stars,
    counterparts,
    footprint_contains,
    measured_stars,
)
from datalab.astro.catalogues.columns import CatalogueError

ARCSEC = 1 / 3600


def catalogue(**changes):
    columns = {
        "ra": [10.0, 10.01, 10.02],
        "dec": [20.0, 20.01, 20.02],
        "mag": [14.0, 15.0, 16.0],
        "magerr": [0.01, 0.02, 0.03],
        "flag": [0, 0, 0],
        "peak": [900.0, 500.0, 100.0],
    }
    return Table({name: changes.get(name, values) for name, values in columns.items()})


def measured(ra, mag, *, magerr=0.02):
    count = len(ra)
    return MeasuredStars(np.array(ra), np.full(count, 20.0), np.array(mag), np.full(count, magerr))


def gaia(ra, g_mag, **columns):
    count = len(ra)
    names = ("pmra", "pmra_error", "pmdec", "pmdec_error", "parallax", "parallax_error")
    names += ("distance", "distance_lo", "distance_hi")
    names += tuple(f"sdss_{band}{suffix}" for band in "griz" for suffix in ("", "_error"))
    table = Table({name: np.full(count, np.nan) for name in names})
    table["ra"], table["dec"], table["phot_g_mean_mag"] = np.array(ra), np.full(count, 20.0), np.array(g_mag)
    for name, values in columns.items():
        table[name] = np.array(values)
    return table


def diagram(stars, others, *, blue_band="g", red_band="r", most=5000):
    others["probability"] = np.linspace(0.0, 1.0, len(others))
    found = counterparts(stars, others)
    return colour_magnitude_table(stars, others, found, blue_band=blue_band, red_band=red_band, most_gaia_only=most)


@pytest.mark.parametrize(
    "changes",
    [
        {"flag": [0, 4, 0]},
        {"peak": [900.0, 1000.0, 100.0]},
        {"mag": [14.0, np.nan, 16.0]},
        {"magerr": [0.01, np.inf, 0.03]},
        {"ra": [10.0, np.nan, 10.02]},
        {"mag": MaskedColumn([14.0, 15.0, 16.0], mask=[False, True, False])},
    ],
)
def test_sources_that_cannot_be_trusted_are_left_out(changes):
    stars = measured_stars(catalogue(**changes), saturation=1000)
    assert stars.mag.tolist() == [14.0, 16.0]
    assert stars.dec_deg.tolist() == [20.0, 20.02]


def test_without_flags_and_saturation_all_are_kept():
    table = catalogue(peak=[1e9] * 3)
    assert len(measured_stars(table, saturation=np.inf)) == 3
    table.remove_columns(["flag", "peak"])
    assert len(measured_stars(table, saturation=1000)) == 3


def test_a_catalogue_without_magnitudes_is_refused():
    table = catalogue()
    table.remove_column("magerr")
    with pytest.raises(CatalogueError, match="no column magerr"):
        measured_stars(table, saturation=np.inf)


def test_colours_are_blue_minus_red_with_both_errors():
    blue = measured([10.0, 10.1], [15.0, 16.5], magerr=0.02)
    red = measured([10.1 + ARCSEC, 10.0], [15.6, 14.5], magerr=0.03)
    stars = colour_stars(blue, red)
    assert stars.color == pytest.approx([0.5, 0.9])
    assert stars.mag.tolist() == [14.5, 15.6]
    assert stars.ra_deg.tolist() == [10.0, 10.1 + ARCSEC]  # where the red image has it
    assert stars.color_err == pytest.approx([0.0361] * 2, abs=5e-5)


def test_of_a_crowded_pair_the_closer_is_taken():
    blue = measured([10.0, 10.0 + 1.2 * ARCSEC], [15.0, 18.0])
    red = measured([10.0 + 1.1 * ARCSEC], [17.0])
    stars = colour_stars(blue, red)
    assert stars.color.tolist() == [1.0]


def test_stars_farther_apart_than_two_arcseconds_are_others():
    assert len(colour_stars(measured([10.0], [15.0]), measured([10.0 + 2.2 * ARCSEC], [15.0]))) == 0


def test_the_circle_and_the_brightest():
    positions = np.array([10.0, 10.01, 10.02])
    stars = colour_stars(measured(positions, [16.0, 14.0, 15.0]), measured(positions, [15.0, 13.0, 14.0]))
    assert stars.within(10.0, 20.0, radius_arcmin=1.0).mag.tolist() == [15.0, 13.0]  # 0, 0.56, 1.13 arcmin away
    assert stars.brightest(2).mag.tolist() == [13.0, 14.0]


def test_image_stars_get_what_gaia_knows_and_the_rest_of_gaia_follows():
    positions = np.array([10.0, 10.1])
    stars = colour_stars(measured(positions, [16.0, 17.0]), measured(positions, [15.0, 15.5]))
    others = gaia(
        [10.2, 10.1 + 0.3 * ARCSEC],
        [13.0, 15.4],
        pmra=[1.0, -5.0],
        distance=[500.0, 800.0],
        sdss_g=[16.2, 20.0],
        sdss_g_error=[0.03, 0.03],
        sdss_r=[15.4, 19.0],
        sdss_r_error=[0.04, 0.03],
    )
    table = diagram(stars, others)
    assert table["gaia_match"].tolist() == [False, True, True]
    assert table["gaia_only"].tolist() == [False, False, True]
    assert table["mag"].tolist() == [15.0, 15.5, 15.4]
    assert table["color"].tolist() == pytest.approx([1.0, 1.5, 0.8])
    assert table["color_err"][2] == pytest.approx(0.05)
    assert table["pmra"].tolist() == pytest.approx([np.nan, -5.0, 1.0], nan_ok=True)
    assert table["distance"].tolist() == pytest.approx([np.nan, 800.0, 500.0], nan_ok=True)
    assert table["g_mag"].tolist() == pytest.approx([np.nan, 15.4, 13.0], nan_ok=True)


def test_a_star_of_gaia_is_one_star_of_the_images_at_most_within_half_an_arcsecond():
    positions = np.array([10.0, 10.0 + 0.6 * ARCSEC, 10.1])
    stars = colour_stars(measured(positions, [16.0, 16.5, 17.0]), measured(positions, [15.0, 15.5, 16.0]))
    table = diagram(stars, gaia([10.0 + 0.4 * ARCSEC, 10.1 + 0.6 * ARCSEC], [14.0, 15.0]))
    assert table["gaia_match"].tolist() == [False, True, False, True]
    assert table["g_mag"][1] == 14.0


def test_only_the_brightest_of_gaia_follow():
    stars = colour_stars(measured([10.0], [16.0]), measured([10.0], [15.0]))
    table = diagram(stars, gaia([10.0, 10.1, 10.2, 10.3], [11.0, 12.0, 13.0, 14.0]), most=2)
    assert table["g_mag"].tolist() == [11.0, 12.0, 13.0]


def test_filters_without_sloan_band_leave_gaia_stars_without_magnitude():
    stars = colour_stars(measured([10.0], [16.0]), measured([10.0], [15.0]))
    others = gaia([10.1], [12.0], sdss_r=[12.2], sdss_r_error=[0.03])
    table = diagram(stars, others, blue_band=None)
    assert table["mag"][1] == 12.2
    assert np.isnan(table["color"][1])
    assert np.isnan(diagram(stars, others, red_band=None)["mag"][1])


def test_without_gaia_there_are_the_stars_of_the_images():
    stars = colour_stars(measured([10.0], [16.0]), measured([10.0], [15.0]))
    table = diagram(stars, gaia([], []))
    assert table["gaia_match"].tolist() == [False]


@pytest.mark.parametrize(
    ("corners", "inside", "outside"),
    [
        ([(10, 20), (11, 20), (11, 21), (10, 21)], (10.5, 20.5), (11.5, 20.5)),
        ([(10, 21), (11, 21), (11, 20), (10, 20)], (10.01, 20.01), (10.5, 21.1)),  # the other way round
        ([(359.5, -1), (0.5, -1), (0.5, 1), (359.5, 1)], (0.0, 0.0), (180.0, 0.0)),
        ([(0, 89), (90, 89), (180, 89), (270, 89)], (45, 90), (45, 88)),  # around the pole
    ],
)
def test_a_position_is_in_a_footprint_or_not(corners, inside, outside):
    assert footprint_contains(corners, ra_deg=inside[0], dec_deg=inside[1])
    assert not footprint_contains(corners, ra_deg=outside[0], dec_deg=outside[1])


def test_the_far_side_of_the_sky_is_in_no_footprint():
    assert not footprint_contains([(10, 20), (11, 20), (11, 21), (10, 21)], ra_deg=190.5, dec_deg=-20.5)


def test_cosmic_rays_are_no_stars_whoever_made_the_catalogue():
    rays = catalogue(flag=[0, 256, 0])
    assert measured_stars(rays, saturation=np.inf).mag.tolist() == [14.0, 16.0]
    narrow = catalogue()
    narrow["fwhm"] = [3.0, 0.4, 3.1]
    assert measured_stars(narrow, saturation=np.inf).mag.tolist() == [14.0, 16.0]
    in_degrees = catalogue()
    in_degrees["fwhm"] = [0.0004, 0.0004, 0.0005]
    assert len(measured_stars(in_degrees, saturation=np.inf)) == 3
