import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from astropy.wcs import WCS

from datalab.simulation.camera import PEDESTAL_ADU, Camera, Conditions, Pointing, calibration_exposure, expose
from datalab.simulation.frame_header import FrameIdentity
from datalab.simulation.psf import Moffat
from datalab.simulation.sky import MovingObject, Sinusoid, Star, StarField

TIME = datetime(2026, 3, 14, 7, 30, 15, 250_000, tzinfo=UTC)
CENTRE = Pointing(ra_deg=150.0, dec_deg=30.0)
SMALL = Camera(rows=160, columns=200)
CLEAN = Camera(
    rows=160,
    columns=200,
    vignetting=0.0,
    pixel_response_sd=0.0,
    hot_pixel_fraction=0.0,
    bias_column_sd_adu=0.0,
    cosmic_rays_per_cm2_s=0.0,
)


def star(magnitude, name="a", east_arcsec=0.0, north_arcsec=0.0, **others):
    return Star(
        name=name,
        ra_deg=150.0 + east_arcsec / 3600.0 / np.cos(np.radians(30.0)),
        dec_deg=30.0 + north_arcsec / 3600.0,
        magnitude=magnitude,
        **others,
    )


def field_of(*sources):
    return StarField(centre_ra_deg=150.0, centre_dec_deg=30.0).including(sources)


def take(field, camera=CLEAN, **changes):
    settings = {
        "conditions": Conditions(),
        "pointing": CENTRE,
        "filter_name": "rp",
        "exposure_s": 60.0,
        "time": TIME,
        "seed": 11,
    }
    return expose(field=field, camera=camera, **(settings | changes))


def crowd(camera=SMALL, n_stars=60, **changes):
    return StarField.random(
        **{
            "seed": 2,
            "centre_ra_deg": 150.0,
            "centre_dec_deg": 30.0,
            "radius_deg": camera.field_radius_deg,
            "n_stars": n_stars,
            "magnitude_range": (11.0, 17.0),
        }
        | changes
    )


def disc_sum(image, x, y, radius):
    rows, columns = np.indices(image.shape)
    return image[np.hypot(columns - x, rows - y) <= radius].sum()


def light_centre(image, x, y, radius):
    rows, columns = np.indices(image.shape)
    near = np.hypot(columns - x, rows - y) <= radius
    return (image * columns)[near].sum() / image[near].sum(), (image * rows)[near].sum() / image[near].sum()


def row_of(exposure, name):
    i = exposure.truth.index(name)
    distance = np.hypot(
        exposure.catalogue["xwin"] - 1 - exposure.truth.x[i], exposure.catalogue["ywin"] - 1 - exposure.truth.y[i]
    )
    assert distance.min() < 1.0
    return exposure.catalogue[np.argmin(distance)]


def test_the_light_of_a_star_gives_its_magnitude():
    exposure = take(field_of(star(12.0)), conditions=Conditions(seeing_fwhm_arcsec=2.5, altitude_deg=45.0))
    truth = exposure.truth
    radius = 30.0
    sky = CLEAN.bias_adu + truth.sky_adu_per_px + CLEAN.dark_current_e_per_s * 60.0 / CLEAN.gain_e_per_adu
    net = disc_sum(exposure.pixels - sky, truth.x[0], truth.y[0], radius)
    share = Moffat(truth.fwhm_px, CLEAN.psf_beta).enclosed_fraction(radius)
    # shot noise of 2e5 electrons is 0.2 %, sky and read noise in 2800 pixels as much again
    assert net == pytest.approx(truth.flux_adu[0] * share, rel=0.012)
    assert truth.zero_point_mag - 2.5 * np.log10(net / share) == pytest.approx(12.0, abs=0.013)


def test_extinction_and_cloud_dim_a_star_and_a_longer_exposure_does_not():
    def flux(**changes):
        return take(field_of(star(12.0)), **changes).truth.flux_e[0]

    clear, low = (Conditions(altitude_deg=altitude) for altitude in (90.0, 30.0))
    dimming_mag = -2.5 * np.log10(flux(conditions=low) / flux(conditions=clear))
    assert dimming_mag == pytest.approx(0.10 * (low.airmass - clear.airmass))
    assert flux(conditions=Conditions(transparency=0.5)) == pytest.approx(0.5 * flux())
    assert flux(exposure_s=120.0) == pytest.approx(2.0 * flux())


def test_the_light_falls_where_the_truth_and_the_wcs_of_the_header_say():
    camera = Camera(rows=160, columns=200, position_angle_deg=25.0, cosmic_rays_per_cm2_s=0.0)
    exposure = take(
        field_of(star(10.5, "east", 30.0, 20.0), star(10.5, "west", -40.0, -25.0)),
        camera,
        conditions=Conditions(drift_px=(0.37, -1.21)),
        reduced=True,
    )
    truth = exposure.truth
    world = WCS(exposure.header)
    x, y = world.all_world2pix(truth.ra_deg, truth.dec_deg, 0)
    assert np.hypot(x - truth.x, y - truth.y).max() < 1e-3
    background = exposure.pixels - PEDESTAL_ADU - truth.sky_adu_per_px
    for i in range(2):
        found = light_centre(background, truth.x[i], truth.y[i], 6.0)
        assert found == pytest.approx((truth.x[i], truth.y[i]), abs=0.02)
    assert truth.y[truth.index("east")] > truth.y[truth.index("west")]


def test_north_is_up_and_east_is_left_without_rotation():
    camera = Camera(rows=160, columns=200, position_angle_deg=0.0)
    truth = take(field_of(star(12.0), star(12.0, "north", 0.0, 20.0), star(12.0, "east", 20.0, 0.0)), camera).truth
    assert (truth.x[0], truth.y[0]) == pytest.approx((99.5, 79.5))
    assert truth.y[1] - truth.y[0] == pytest.approx(20.0 / 0.74, rel=1e-4)
    assert truth.x[2] - truth.x[0] == pytest.approx(-20.0 / 0.74, rel=1e-4)


def test_drift_moves_the_stars():
    still, moved = (take(crowd(), SMALL, conditions=Conditions(drift_px=d)).truth for d in ((0.0, 0.0), (0.25, -0.5)))
    common = [name for name in still.names if name in moved.names]
    assert len(common) > 20
    shift = [
        (moved.x[moved.index(n)] - still.x[still.index(n)], moved.y[moved.index(n)] - still.y[still.index(n)])
        for n in common
    ]
    assert np.allclose(shift, (0.25, -0.5), atol=1e-6)


def test_a_star_behind_the_observer_is_not_in_the_picture():
    opposite = Star(name="opposite", ra_deg=330.0, dec_deg=-30.0, magnitude=0.0)
    assert take(field_of(opposite, star(12.0))).truth.names == ("a",)


@pytest.mark.parametrize("exposure_s", [5.0, 300.0])
def test_noise_grows_with_the_light_as_gain_and_read_noise_say(exposure_s):
    """Difference of two equal frames: variance = 2 (mean_e + read_noise^2) / gain^2, plus 1/12 per rounding."""
    bright_sky = Conditions(sky_mag_per_arcsec2=16.0)
    a, b = (take(field_of(), conditions=bright_sky, exposure_s=exposure_s, seed=s).pixels.astype(float) for s in (1, 2))
    mean_e = (a.mean() - CLEAN.bias_adu) * CLEAN.gain_e_per_adu
    expected = (mean_e + CLEAN.read_noise_e**2) / CLEAN.gain_e_per_adu**2 + 1.0 / 12.0
    assert mean_e > 100.0
    # 32000 pixels: the standard error of a variance is 0.8 %
    assert np.var(a - b) / 2.0 == pytest.approx(expected, rel=0.04)


def test_bright_stars_saturate_and_are_flagged():
    exposure = take(field_of(star(6.0, "bright"), star(13.0, "faint", 40.0, 30.0)))
    assert exposure.pixels.max() == 65_535
    assert exposure.header["SATURATE"] == CLEAN.saturation_adu == 65_535
    assert row_of(exposure, "bright")["flag"] & 4
    assert row_of(exposure, "faint")["flag"] == 0


@pytest.mark.parametrize("reduced", [False, True])
def test_a_full_well_saturates_below_the_limit_of_the_converter(reduced):
    camera = Camera(rows=160, columns=200, full_well_e=30_000.0)
    exposure = take(field_of(star(7.0)), camera, reduced=reduced)
    full = exposure.pixels >= exposure.header["SATURATE"]
    assert exposure.header["SATURATE"] < 25_000
    assert full.sum() > 20
    assert row_of(exposure, "a")["flag"] & 4


def test_reducing_removes_bias_vignetting_and_hot_pixels():
    camera = Camera(rows=160, columns=200, vignetting=0.4, hot_pixel_fraction=2e-3, cosmic_rays_per_cm2_s=0.0)
    sky = Conditions(sky_mag_per_arcsec2=17.0)
    raw, reduced = (take(field_of(), camera, conditions=sky, reduced=r) for r in (False, True))

    def corner_to_centre(exposure, pedestal):
        level = exposure.pixels - pedestal
        return np.median(level[:12, :12]) / np.median(level[70:90, 90:110])

    assert corner_to_centre(raw, camera.bias_adu) == pytest.approx(1.0 - 0.4 * 0.87, abs=0.03)
    assert corner_to_centre(reduced, PEDESTAL_ADU) == pytest.approx(1.0, abs=0.02)
    assert np.median(reduced.pixels) - PEDESTAL_ADU == pytest.approx(reduced.truth.sky_adu_per_px, rel=0.01)
    assert (raw.header["RLEVEL"], reduced.header["RLEVEL"]) == (0, 91)


def test_catalogue_measures_the_truth():
    camera = Camera(rows=300, columns=300, cosmic_rays_per_cm2_s=0.0)
    exposure = take(crowd(camera, 90), camera, conditions=Conditions(seeing_fwhm_arcsec=2.4), reduced=True)
    truth, rows = exposure.truth, exposure.catalogue
    rows = rows[rows["flag"] == 0]
    nearest = np.argmin(np.hypot(rows["xwin"][:, None] - 1 - truth.x, rows["ywin"][:, None] - 1 - truth.y), axis=1)
    assert rows.size > 30
    assert np.unique(nearest).size == rows.size
    error_mag = rows["mag"] - truth.magnitude[nearest]
    assert np.abs(np.median(error_mag)) < 0.01
    pull = np.abs(error_mag / rows["magerr"])
    assert 0.4 < np.median(pull) < 1.1  # 0.67 for normal errors; neighbours below the flag's limit add a little
    assert np.mean(pull < 4.0) > 0.85
    bright = rows["magerr"] < 0.01
    assert np.abs(rows["xwin"] - 1 - truth.x[nearest])[bright].max() < 0.05
    assert np.abs(rows["ywin"] - 1 - truth.y[nearest])[bright].max() < 0.05
    assert np.abs((rows["ra"] - truth.ra_deg[nearest])[bright]).max() * 3600.0 < 0.05
    # a pixel widens the image it samples: by some percent at this seeing
    assert np.median(rows["fwhm"][bright]) == pytest.approx(truth.fwhm_px, rel=0.08)
    assert np.all(np.diff(exposure.catalogue["flux"]) <= 0.0)
    assert np.all(rows["fluxaper1"] < rows["fluxaper6"])
    peak = exposure.pixels[rows["ypeak"] - 1, rows["xpeak"] - 1]
    assert np.array_equal(peak, rows["peak"])
    assert exposure.header["NSTARS"] == exposure.catalogue.size
    instrumental = -2.5 * np.log10(rows["flux"] / exposure.header["EXPTIME"])
    assert np.allclose(instrumental + exposure.header["L1ZP"], rows["mag"], atol=1e-4)


def test_faint_hidden_and_edge_stars_are_not_catalogued():
    exposure = take(
        field_of(
            star(11.0, "bright"),
            star(13.0, "hidden", 1.0, 1.0),
            star(21.0, "faint", 30.0, 20.0),
            star(12.0, "edge", 70.0, 0.0),
            star(12.5, "companion", -7.0, 0.0),
        )
    )
    assert len(exposure.truth.names) == 5
    assert exposure.catalogue.size == 2
    assert row_of(exposure, "companion")["flag"] & 1


def test_an_empty_sky_has_an_empty_catalogue():
    exposure = take(field_of())
    assert exposure.catalogue.size == 0
    assert exposure.header["NSTARS"] == 0


def test_a_variable_star_changes_between_frames_and_its_neighbour_does_not():
    wave = Sinusoid(period_days=0.1, amplitude_mag=0.3)
    field = field_of(star(12.0, "v", variability=wave), star(12.0, "c", 40.0, 20.0))
    times = [TIME + timedelta(hours=0.4 * i) for i in range(6)]
    exposures = [take(field, time=time, seed=i) for i, time in enumerate(times)]
    variable, constant = ([float(row_of(e, name)["mag"]) for e in exposures] for name in ("v", "c"))
    expected = [12.0 + wave.offset_mag(time + timedelta(seconds=30.0)) for time in times]
    assert np.ptp(expected) > 0.5
    assert variable == pytest.approx(expected, abs=0.03)
    assert constant == pytest.approx([12.0] * 6, abs=0.03)


def test_a_moving_object_is_found_further_on_in_the_next_frame():
    asteroid = MovingObject(
        name="m",
        ra_deg=150.0,
        dec_deg=30.0,
        epoch=TIME,
        ra_rate_arcsec_per_hour=-40.0,
        dec_rate_arcsec_per_hour=30.0,
        magnitude=12.0,
    )
    first, second = (take(field_of(asteroid), time=TIME + timedelta(hours=h)) for h in (0.0, 0.5))
    rows = [row_of(e, "m") for e in (first, second)]
    moved_px = np.hypot(rows[1]["xwin"] - rows[0]["xwin"], rows[1]["ywin"] - rows[0]["ywin"])
    assert moved_px == pytest.approx(25.0 / 0.74, abs=0.1)
    assert first.truth.is_moving[0]


def test_a_fast_object_leaves_a_trail_around_its_place_at_mid_exposure():
    fast = MovingObject(
        name="m",
        ra_deg=150.0,
        dec_deg=30.0,
        epoch=TIME + timedelta(seconds=150.0),
        ra_rate_arcsec_per_hour=-240.0,
        dec_rate_arcsec_per_hour=0.0,
        magnitude=10.0,
    )
    camera = Camera(rows=160, columns=200, position_angle_deg=0.0, cosmic_rays_per_cm2_s=0.0)
    exposure = take(field_of(fast), camera, exposure_s=300.0, reduced=True)
    x, y = exposure.truth.x[0], exposure.truth.y[0]
    assert (x, y) == pytest.approx((99.5, 79.5), abs=1e-3)
    light = exposure.pixels - PEDESTAL_ADU - exposure.truth.sky_adu_per_px
    assert light_centre(light, x, y, 20.0) == pytest.approx((x, y), abs=0.1)
    # 20 arcsec in 300 s are 27 pixels along the row
    assert light[79, 89] > 20.0 * light[69, 99]


def test_cosmic_rays_are_where_the_truth_says():
    camera = Camera(rows=160, columns=200, cosmic_rays_per_cm2_s=2.0, hot_pixel_fraction=0.0)
    exposure = take(field_of(), camera)
    hit = exposure.truth.cosmic_rays
    # 0.026 cm2 for 60 s at 2 per cm2 s: 3 hits expected of some 4 pixels each
    assert 1 <= hit.sum() < 100
    bright = exposure.pixels > np.median(exposure.pixels) + 8.0 * 7.0 / 1.5
    assert bright.any()
    assert not (bright & ~hit).any()


def test_calibration_frames():
    camera = Camera(rows=160, columns=200, vignetting=0.3, cosmic_rays_per_cm2_s=0.0, hot_pixel_fraction=1e-3)
    bias, dark, flat = (
        calibration_exposure(camera=camera, kind=kind, exposure_s=seconds, time=TIME, seed=3, filter_name=name)
        for kind, seconds, name in (("BIAS", 0.0, ""), ("DARK", 600.0, ""), ("SKYFLAT", 5.0, "rp"))
    )
    assert [e.header["OBSTYPE"] for e in (bias, dark, flat)] == ["BIAS", "DARK", "SKYFLAT"]
    assert bias.catalogue is None
    assert "CRVAL1" not in bias.header
    assert bias.pixels.mean() == pytest.approx(camera.bias_adu, abs=0.5)
    noise_adu = np.hypot(camera.read_noise_e / camera.gain_e_per_adu, camera.bias_column_sd_adu)
    assert bias.pixels.std() == pytest.approx(noise_adu, rel=0.05)
    excess = np.median(dark.pixels.astype(float) - camera.bias_level_adu)
    assert excess == pytest.approx(camera.dark_current_e_per_s * 600.0 / camera.gain_e_per_adu, abs=1.0)
    hot = camera.dark_rate_e_per_s > 1.0
    assert hot.any()
    assert dark.pixels[hot].min() > np.median(dark.pixels) + 100
    level = (flat.pixels - camera.bias_level_adu) / flat.truth.sky_adu_per_px
    assert np.abs(level / camera.flat - 1.0).max() < 0.05
    assert np.std(level / camera.flat) < 0.01
    assert json.loads(json.dumps(bias.truth.as_json()))["zero_point_mag"] is None


def test_equal_arguments_give_equal_frames_and_another_seed_another():
    first, again, other = (take(crowd(), SMALL, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(first.pixels, again.pixels)
    assert first.header == again.header
    assert first.catalogue.tobytes() == again.catalogue.tobytes()
    assert not np.array_equal(first.pixels, other.pixels)


def test_the_header_is_that_of_an_observatory():
    identity = FrameIdentity(counter=42, object_name="m", moving_target=True)
    asteroid = MovingObject(
        name="m",
        ra_deg=359.9999999,
        dec_deg=-0.5 / 3600.0,
        epoch=TIME,
        ra_rate_arcsec_per_hour=0.0,
        dec_rate_arcsec_per_hour=0.0,
        magnitude=14.0,
    )
    exposure = take(
        field_of(asteroid),
        identity=identity,
        pointing=Pointing(ra_deg=0.0, dec_deg=0.0),
        conditions=Conditions(altitude_deg=30.0),
        reduced=True,
    )
    header = exposure.header
    assert header["DATE-OBS"] == "2026-03-14T07:30:15.250"
    assert header["DATE"] == "2026-03-14T07:31:23.250"
    assert header["MJD-OBS"] == pytest.approx(61113.3126765, abs=1e-7)
    assert header["ORIGNAME"] == "sim-sq001ms_expose_rp-20260314-00000042-EX00.fits.fz"
    assert (header["CAT-RA"], header["CAT-DEC"]) == ("00:00:00.000", "-00:00:00.50")
    assert (header["RA"], header["DEC"]) == ("00:00:00.000", "+00:00:00.00")
    assert header["OBJCTRA"] == pytest.approx(359.9999999)
    assert (header["SRCTYPE"], header["OBJECT"]) == ("MINORPLANET", "m")
    assert header["AIRMASS"] == pytest.approx(1.994, abs=1e-3)
    assert header["SMARTSTK"] == "no"
    assert {"GAIN", "RDNOISE", "PIXSCALE", "USERID", "PROPID", "BLKUID", "REQNUM", "L1PUBDAT", "DAY-OBS"} <= set(header)


def test_long_names_lose_the_comment_of_the_card_and_not_the_value():
    identity = FrameIdentity(user_id="auth0" + "0123456789" * 5, object_name="C/2026 A1 (a comet with a long name)")
    header = take(field_of(), identity=identity).header
    assert header["USERID"] == identity.user_id
    assert header["OBJECT"] == identity.object_name
    assert len(header.tostring()) % 2880 == 0


def test_truth_is_json():
    exposure = take(crowd(), Camera(rows=160, columns=200, cosmic_rays_per_cm2_s=2.0))
    truth, as_json = exposure.truth, json.loads(json.dumps(exposure.truth.as_json(), allow_nan=False))
    assert [source["name"] for source in as_json["sources"]] == list(truth.names)
    assert [source["x"] for source in as_json["sources"]] == truth.x.tolist()
    assert len(as_json["cosmic_rays"]) == truth.cosmic_rays.sum()
    assert as_json["mid_exposure"] == "2026-03-14T07:30:45.250000+00:00"


def test_a_target_below_the_horizon_is_refused():
    with pytest.raises(ValueError, match="air mass"):
        take(field_of(), conditions=Conditions(altitude_deg=-3.0))
