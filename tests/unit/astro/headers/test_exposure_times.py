from datetime import UTC, datetime, timedelta, timezone

import pytest
from astropy.time import Time

from datalab.astro.headers.description import FrameDescription, describe
from datalab.astro.headers.exposure_times import iso_utc, julian_date, midpoint, modified_julian_date

START = datetime(2026, 3, 14, 23, 59, 50, 250_000, tzinfo=UTC)


def test_the_midpoint_is_half_an_exposure_after_its_start():
    assert midpoint(FrameDescription(capture_time=START, exposure_time_s=1200.0)) == START + timedelta(seconds=600)


@pytest.mark.parametrize("exposure_time", [None, float("nan"), -30.0, "long"])
def test_an_unusable_exposure_time_shifts_nothing(exposure_time):
    description = describe({"DATE-OBS": "2026-03-14T23:59:50.250", "EXPTIME": exposure_time})
    assert midpoint(description) == START


def test_an_endless_exposure_shifts_nothing():
    assert midpoint(FrameDescription(capture_time=START, exposure_time_s=1e300)) == START


def test_without_a_start_there_is_no_midpoint():
    assert midpoint(FrameDescription(exposure_time_s=60.0)) is None


def test_dates_agree_with_astropy():
    truth = Time("2026-03-14T23:59:50.250", scale="utc")
    assert modified_julian_date(START) == pytest.approx(truth.mjd, abs=1e-9)
    assert julian_date(START) == pytest.approx(truth.jd, abs=1e-9)


def test_text_is_utc_whatever_the_zone():
    assert iso_utc(START.astimezone(timezone(timedelta(hours=-7)))) == "2026-03-14T23:59:50.250Z"
