from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from datalab.simulation.site import Site, airmass_at
from datalab.simulation.sky import MovingObject, Sinusoid, Star, StarField, mjd_of

TIME = datetime(2026, 3, 14, 7, 30, 15, 250_000, tzinfo=UTC)


def random_field(n_stars=2000, **changes):
    settings = {"seed": 5, "centre_ra_deg": 359.9, "centre_dec_deg": 80.0, "radius_deg": 0.5, "n_stars": n_stars}
    return StarField.random(**(settings | changes))


def test_mjd_is_that_of_a_known_date():
    assert mjd_of(datetime(2000, 1, 1, 12, tzinfo=UTC)) == 51544.5


def test_random_stars_lie_evenly_within_the_radius_also_across_ra_zero():
    field = random_field()
    sky = field.at(TIME)
    distance = SkyCoord(359.9 * u.deg, 80 * u.deg).separation(SkyCoord(sky.ra_deg * u.deg, sky.dec_deg * u.deg)).deg
    assert distance.max() <= 0.5 + 1e-9
    assert np.mean(distance < 0.5 / np.sqrt(2)) == pytest.approx(0.5, abs=0.04)  # half the area; 3.5 standard errors
    assert sky.ra_deg.min() < 1.0
    assert sky.ra_deg.max() > 359.0


def test_star_counts_follow_the_slope():
    magnitude = random_field(20_000, magnitude_range=(10.0, 18.0), counts_slope_dex_per_mag=0.3).at(TIME).magnitude
    assert magnitude.min() >= 10.0
    assert magnitude.max() <= 18.0
    ratio = np.sum(magnitude < 17.0) / np.sum(magnitude < 16.0)
    assert np.log10(ratio) == pytest.approx(0.3, abs=0.02)


def test_the_same_seed_gives_the_same_field_and_another_seed_another():
    assert random_field() == random_field()
    assert random_field() != random_field(seed=6)


def test_a_red_star_is_fainter_in_blue_light():
    red = Star(name="red", ra_deg=0.0, dec_deg=0.0, magnitude=12.0, colour_g_r=1.2)
    assert red.magnitude_at(TIME, "rp") == 12.0
    assert red.magnitude_at(TIME, "gp") == pytest.approx(13.2)
    assert red.magnitude_at(TIME, "ip") < 12.0


def test_a_sinusoid_returns_after_a_period_and_is_faintest_after_a_quarter():
    wave = Sinusoid(period_days=0.2, amplitude_mag=0.4, epoch_mjd=mjd_of(TIME))
    assert wave.offset_mag(TIME) == pytest.approx(0.0, abs=1e-6)
    assert wave.offset_mag(TIME + timedelta(days=0.05)) == pytest.approx(0.4)
    assert wave.offset_mag(TIME + timedelta(days=0.15)) == pytest.approx(-0.4)
    assert wave.offset_mag(TIME + timedelta(days=20.05)) == pytest.approx(0.4, abs=1e-5)


def test_the_field_shows_what_its_stars_say():
    variable = Star(
        name="v", ra_deg=1.0, dec_deg=2.0, magnitude=12.0, variability=Sinusoid(period_days=0.3, amplitude_mag=0.2)
    )
    field = StarField(centre_ra_deg=1.0, centre_dec_deg=2.0).including([variable])
    assert field.at(TIME, "gp").magnitude[0] == pytest.approx(variable.magnitude_at(TIME, "gp"))


@pytest.mark.parametrize(("ra_deg", "dec_deg"), [(10.0, 0.0), (359.999, 45.0), (120.0, 89.9), (200.0, -89.99)])
def test_a_moving_object_covers_its_rate_in_its_direction(ra_deg, dec_deg):
    mover = MovingObject(
        name="m",
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        epoch=TIME,
        ra_rate_arcsec_per_hour=30.0,
        dec_rate_arcsec_per_hour=40.0,
        magnitude=15.0,
    )
    here, there = (SkyCoord(*mover.position_at(TIME + timedelta(hours=h)), unit="deg") for h in (0.0, 2.0))
    assert here.separation(SkyCoord(ra_deg, dec_deg, unit="deg")).arcsec < 1e-6
    assert here.separation(there).arcsec == pytest.approx(100.0, abs=1e-4)
    assert here.position_angle(there).deg == pytest.approx(np.degrees(np.arctan2(30.0, 40.0)), abs=1e-4)


def test_a_resting_object_stays():
    mover = MovingObject(
        name="m",
        ra_deg=370.0,
        dec_deg=5.0,
        epoch=TIME,
        ra_rate_arcsec_per_hour=0.0,
        dec_rate_arcsec_per_hour=0.0,
        magnitude=15.0,
    )
    assert mover.position_at(TIME + timedelta(days=1)) == (10.0, 5.0)


def test_an_unknown_filter_is_refused():
    with pytest.raises(KeyError, match="violet"):
        random_field(3).at(TIME, "violet")


def test_sidereal_time_and_altitude():
    site = Site(latitude_deg=34.7, longitude_deg=0.0)
    # Meeus, Astronomical Algorithms, example 12.b: 1987 April 10, 19:21:00 UT, mean sidereal time 128.7378734 degrees.
    example = datetime(1987, 4, 10, 19, 21, tzinfo=UTC)
    sidereal = site.sidereal_time_deg(example)
    assert sidereal == pytest.approx(128.7378734, abs=2e-5)
    assert site.altitude_azimuth_deg(sidereal, 24.7, example) == pytest.approx((80.0, 180.0), abs=1e-6)
    altitude, azimuth = site.altitude_azimuth_deg(sidereal + 30.0, 0.0, example)
    assert 40.0 < altitude < 50.0
    assert 90.0 < azimuth < 180.0  # east of the meridian: still rising
    assert site.altitude_azimuth_deg(77.0, 90.0, example)[0] == pytest.approx(34.7)


def test_midnight_follows_the_longitude():
    assert Site(longitude_deg=-90.0).local_midnight(date(2026, 3, 14)) == datetime(2026, 3, 15, 6, tzinfo=UTC)


def test_airmass():
    assert airmass_at(90.0) == pytest.approx(1.0, abs=5e-4)
    assert airmass_at(30.0) == pytest.approx(1.994, abs=1e-3)  # table of Kasten and Young
    assert airmass_at(10.0) == pytest.approx(5.59, abs=0.01)
    with pytest.raises(ValueError, match="altitude -1"):
        airmass_at(-1.0)
