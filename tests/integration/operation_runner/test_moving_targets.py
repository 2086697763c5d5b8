"""Photometry of targets that move, on real files: section 8.4 of the contract, and the simulated observatory."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from datalab.errors import UsageError
from datalab.simulation.camera import Camera
from datalab.simulation.observatory import MOVING_OBJECT, NightPlan, SimulatedObservatory
from datalab.simulation.products import write_fits
from datalab.simulation.sky import MovingObject, Star, StarField, mjd_of
from operation_runner.operations.moving_target_aperture_photometry import MovingTargetAperturePhotometry
from operation_runner.operations.non_sidereal_aperture_photometry import NonSiderealAperturePhotometry
from support.operations import run

RADII = {"aperture_radius": 5.0, "annulus_inner_radius": 8.0, "annulus_outer_radius": 12.0}
SIDE, SIGMA_PX, SKY_ADU, GAIN = 110, 1.3, 100.0, 2.0
ZERO_POINT_MAG = 26.5
START = datetime(2026, 3, 14, 22, tzinfo=UTC)
STEP = timedelta(minutes=5)
ASTEROID_MAG = 13.0
CENTRE = SkyCoord(150.0, 20.0, unit="deg")


@dataclass
class Series:
    """Frames of 110 x 110 pixels of 1 arcsec; positions are arcseconds east and north of a point on the sky."""

    stars: list  # of (east, north, magnitude)
    pointing: list  # of (east, north), one per frame
    target: list  # of (east, north), one per frame
    target_mag: list
    in_catalogue: bool = True
    cards: dict = field(default_factory=dict)
    #: A magnitude that each frame adds to all of its light, as clouds and airmass do.
    extinction: float = 0.1

    def place(self, frame):
        return offset(*self.target[frame])

    def time(self, frame):
        return START + frame * STEP

    def write(self, folder, frames=None):
        return [self._write(folder, frame) for frame in (frames or range(len(self.target)))]

    def _write(self, folder, frame):
        rng = np.random.default_rng(100 + frame)
        centre = offset(*self.pointing[frame])
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [centre.ra.deg, centre.dec.deg]
        wcs.wcs.crpix = [SIDE / 2, SIDE / 2]
        wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
        sources = np.array([*self.stars, (*self.target[frame], self.target_mag[frame])])
        places = offset(sources[:, 0], sources[:, 1])
        x, y = wcs.world_to_pixel(places)
        flux = 10 ** (-0.4 * (sources[:, 2] - ZERO_POINT_MAG + self.extinction * rng.random()))
        pixels = np.full((SIDE, SIDE), SKY_ADU)
        rows, columns = np.mgrid[:SIDE, :SIDE]
        on_chip = (x > -5) & (x < SIDE + 5) & (y > -5) & (y < SIDE + 5)
        for at_x, at_y, light in zip(x[on_chip], y[on_chip], flux[on_chip], strict=True):
            profile = np.exp(-((columns - at_x) ** 2 + (rows - at_y) ** 2) / (2 * SIGMA_PX**2))
            pixels += light * profile / (2 * np.pi * SIGMA_PX**2)
        pixels = rng.poisson(pixels * GAIN) / GAIN
        header = wcs.to_header()
        time = self.time(frame)
        target = self.place(frame)
        header.update(
            {
                "DATE-OBS": time.replace(tzinfo=None).isoformat(timespec="milliseconds"),
                "EXPTIME": 0.0,
                "FILTER": "rp",
                "GAIN": GAIN,
                "RDNOISE": 0.0,
                "CAT-RA": target.ra.to_string("hour", sep=":", pad=True, precision=4),
                "CAT-DEC": target.dec.to_string(sep=":", pad=True, alwayssign=True, precision=3),
                "SRCTYPE": "MINORPLANET",
            }
            | self.cards
        )
        listed = on_chip.copy()
        listed[-1] &= self.in_catalogue
        table = Table(
            {
                "ra": places.ra.deg[listed],
                "dec": places.dec.deg[listed],
                "flux": flux[listed],
                "mag": sources[listed, 2],
            }
        )
        path = folder / f"tst0m4-sq01-20260314-{frame:04d}-e91.fits"
        sci = fits.ImageHDU(pixels.astype(np.float32), header, name="SCI")
        fits.HDUList([fits.PrimaryHDU(), sci, fits.BinTableHDU(table, name="CAT")]).writeto(path)
        return path


def offset(east_arcsec, north_arcsec):
    return CENTRE.spherical_offsets_by(Angle(east_arcsec, "arcsec"), Angle(north_arcsec, "arcsec"))


def stars_on_a_grid(width_arcsec, norths_arcsec, *, spacing_arcsec=26.0):
    """Return rows of stars of magnitudes 14 to 15; targets move on the line north = 0."""
    rng = np.random.default_rng(5)
    easts = np.arange(-width_arcsec / 2, width_arcsec / 2, spacing_arcsec)
    places = [(east + rng.uniform(-3, 3), north + rng.uniform(-2, 2)) for east in easts for north in norths_arcsec]
    return [(east, north, rng.uniform(14.0, 15.0)) for east, north in places]


def magnitudes(content):
    """Return calibrated magnitudes, NaN where there is none."""
    return np.array([row["mag"] for row in content["light_curve"]], dtype=float)


def note(content, text):
    return any(text in line for line in content["pipeline_diagnostics"])


def non_sidereal(files, tmp_path, *, processes=1, **parameters):
    given = {"input_files": files} | RADII | parameters
    return run(NonSiderealAperturePhotometry(), given, work_dir=tmp_path / "work", processes=processes)


def moving_target(files, tmp_path, positions, *, processes=1, **parameters):
    given = {"input_files": files, "target_positions": positions} | RADII | parameters
    return run(MovingTargetAperturePhotometry(), given, work_dir=tmp_path / "work", processes=processes)


def drifting(target_mag, **further):
    """A telescope that follows a target by 12 arcsec from frame to frame: no star stays in the field."""
    track = [(12.0 * frame, 0.0) for frame in range(len(target_mag))]
    return Series(
        stars=stars_on_a_grid(800, (-40, -22, 22, 40)),
        pointing=track,
        target=track,
        target_mag=list(target_mag),
        **further,
    )


def crossing(target_mag, *, rate_arcsec=4.0, bend_arcsec=0.0, **further):
    """A target that crosses a field at rest."""
    phase = np.linspace(0.0, 1.0, len(target_mag))
    east = rate_arcsec * np.arange(len(target_mag)) - rate_arcsec * (len(target_mag) - 1) / 2
    north = bend_arcsec * 4 * phase * (1 - phase)
    return Series(
        stars=stars_on_a_grid(84, (-40, -22, 38)),
        pointing=[(0.0, 0.0)] * len(target_mag),
        target=list(zip(east.tolist(), north.tolist(), strict=True)),
        target_mag=list(target_mag),
        **further,
    )


def given_positions(series, frames=(0, -1)):
    last = len(series.target) - 1
    numbers = [last if frame == -1 else frame for frame in frames]
    return [
        {
            "name": "2026 AB",
            "ra": series.place(number).ra.deg,
            "dec": series.place(number).dec.deg,
            "mjd": mjd_of(series.time(number)),
        }
        for number in numbers
    ]


class TestHeaders:
    def test_a_steady_target_is_steady_though_no_star_is_on_all_frames(self, tmp_path):
        outcome = non_sidereal(drifting([14.5] * 12).write(tmp_path), tmp_path, max_comparisons=6)
        content = outcome.content
        found = magnitudes(content)
        assert note(content, "No comparison ensemble spans every frame")
        assert np.isfinite(found).all()
        assert found.size == 12
        assert found.std() < 0.02
        assert np.ptp(found) < 0.05
        assert found.mean() == pytest.approx(14.5, abs=0.02)
        stars_of = [
            sum(line.startswith("comparison-star validation row:") for line in lines)
            for lines in content["diagnostics"].values()
        ]
        assert max(stars_of) == 6
        assert min(stars_of) >= 5

    def test_a_swing_of_the_target_is_followed(self, tmp_path):
        truth = 14.5 + 0.3 * np.sin(np.arange(8) / 8 * 2 * np.pi)
        content = non_sidereal(drifting(truth).write(tmp_path), tmp_path).content
        assert np.corrcoef(magnitudes(content), truth)[0, 1] > 0.97
        assert np.abs(magnitudes(content) - truth).max() < 0.05

    def test_rows_say_where_the_target_was_measured_but_no_barycentric_time(self, tmp_path):
        series = drifting([14.5] * 3)
        rows = non_sidereal(series.write(tmp_path), tmp_path).content["light_curve"]
        for frame, row in enumerate(rows):
            place = SkyCoord(row["target_ra_deg"], row["target_dec_deg"], unit="deg")
            assert place.separation(series.place(frame)).arcsec < 0.1
            assert row["bjd_tdb"] is None

    def test_fields_that_share_no_star_are_named(self, tmp_path):
        series = drifting([14.5] * 24)
        content = non_sidereal(series.write(tmp_path, [0, 1, 22, 23]), tmp_path).content
        assert note(content, "groups sharing no common stars")
        assert np.isfinite(magnitudes(content)).all()

    def test_the_output_names_its_source(self, tmp_path):
        series = drifting([14.5] * 3, cards={"OBJECT": "433 Eros"})
        content = non_sidereal(series.write(tmp_path), tmp_path).content
        first = series.place(0)
        assert content["source"]["name"] == "433 Eros"
        assert (content["source"]["ra"], content["source"]["dec"]) == pytest.approx(
            (first.ra.deg, first.dec.deg), abs=1e-6
        )

    def test_a_fixed_target_belongs_to_another_operation(self, tmp_path):
        files = drifting([14.5] * 2, cards={"SRCTYPE": "EXTRASOLAR"}).write(tmp_path)
        with pytest.raises(UsageError, match="Moving Target Aperture Photometry") as caught:
            non_sidereal(files, tmp_path)
        assert "tst0m4-sq01-20260314-0000-e91" in str(caught.value)

    def test_a_frame_that_does_not_say_where_the_target_is_costs_only_itself(self, tmp_path):
        series = drifting([14.5] * 4)
        good = series.write(tmp_path, [1, 2])
        series.cards = {"CAT-RA": "N/A"}
        bad = series.write(tmp_path, [0])
        series.cards = {"SRCTYPE": "EXTRASOLAR"}
        fixed = series.write(tmp_path, [3])
        content = non_sidereal([*good, *bad, *fixed], tmp_path).content
        assert np.isfinite(magnitudes(content)).tolist() == [True, True]
        assert note(content, "Skipped tst0m4-sq01-20260314-0000-e91: it does not say where its target is")
        assert note(content, "Skipped tst0m4-sq01-20260314-0003-e91: it is not an image of a non-sidereal target")
        assert content["notes"] == content["pipeline_diagnostics"]
        with pytest.raises(UsageError, match=r"0000-e91 does not say where its target is: .*CAT-RA and CAT-DEC"):
            non_sidereal(bad, tmp_path / "alone")

    def test_headers_that_stay_the_same_are_named(self, tmp_path):
        still = crossing([14.5] * 3, rate_arcsec=0.0)
        assert note(non_sidereal(still.write(tmp_path), tmp_path).content, "not tracking a moving target")

    def test_headers_that_follow_are_not(self, tmp_path):
        content = non_sidereal(crossing([14.5] * 3).write(tmp_path), tmp_path).content
        assert not note(content, "not tracking a moving target")


class TestTrack:
    def test_all_frames_have_the_brightness_that_was_put_in(self, tmp_path):
        truth = 14.5 + 0.2 * np.sin(np.arange(8) / 8 * 2 * np.pi)
        series = crossing(truth)
        outcome = moving_target(series.write(tmp_path), tmp_path, given_positions(series))
        content = outcome.content
        assert note(content, "Located the target in the catalog of 8 of 8 frames.")
        assert magnitudes(content).size == 8
        assert np.abs(magnitudes(content) - truth).max() < 0.02
        assert content["track_search_radius"] == 10.0
        first, last = series.place(0), series.place(-1)
        assert content["source"] == {
            "name": "2026 AB",
            "ra": pytest.approx(first.ra.deg),
            "dec": pytest.approx(first.dec.deg),
        }
        assert [sorted(entry) for entry in content["target_positions"]] == [["dec_deg", "mjd", "ra_deg"]] * 2
        assert content["target_positions"][1]["ra_deg"] == pytest.approx(last.ra.deg)
        assert len(outcome.data[0].pictures) == 8

    def test_text_gives_the_same_result_as_objects(self, tmp_path):
        series = crossing([14.5] * 4)
        files = series.write(tmp_path)
        objects = given_positions(series)
        text = "; ".join(f"{given['ra']:.12f} {given['dec']:.12f} {given['mjd']:.12f}" for given in objects)
        from_objects = moving_target(files, tmp_path / "1", objects).content
        from_text = moving_target(files, tmp_path / "2", text).content
        assert magnitudes(from_text) == pytest.approx(magnitudes(from_objects), abs=1e-6)
        assert from_text["source"]["name"] == "Moving target"

    def test_a_curved_track_needs_more_than_two_positions(self, tmp_path):
        series = crossing([14.5] * 5, rate_arcsec=8.0, bend_arcsec=12.0, in_catalogue=False)
        files = series.write(tmp_path)
        straight = moving_target(files, tmp_path / "1", given_positions(series)).content
        curved = moving_target(files, tmp_path / "2", given_positions(series, (0, 2, 4))).content
        assert note(straight, "Measured at the interpolated positions.")
        fainter = magnitudes(straight)[2] - 14.5
        assert not fainter < 0.3  # no light at all has no magnitude
        assert np.abs(magnitudes(curved) - 14.5).max() < 0.03

    def test_the_catalogues_show_the_curve(self, tmp_path):
        series = crossing([14.5] * 6, rate_arcsec=7.0, bend_arcsec=9.0)
        content = moving_target(series.write(tmp_path), tmp_path, given_positions(series)).content
        assert note(content, "Fitted a degree-2 target track")
        assert np.abs(magnitudes(content) - 14.5).max() < 0.03

    @pytest.mark.parametrize(
        ("positions", "text"),
        [
            ("here; there", 'Target position 1 \\("here"\\) must be "RA Dec time".'),
            ([{"ra": 1, "dec": 2, "mjd": 61113.0}] * 2, "Target positions 1 and 2 are of the same time."),
            (
                [{"ra": 1, "dec": 2, "mjd": 61113.0}, {"ra": 200, "dec": 2, "mjd": 61114.0}],
                "more than 90 degrees apart",
            ),
        ],
    )
    def test_what_is_wrong_with_a_position_is_said(self, tmp_path, positions, text):
        with pytest.raises(UsageError, match=text):
            moving_target(crossing([14.5]).write(tmp_path), tmp_path, positions)


class TestWhatCannotBeMeasured:
    def test_a_star_that_the_target_passes_takes_its_magnitude(self, tmp_path):
        series = crossing([14.5] * 5, rate_arcsec=8.0)
        series.stars.append((0.0, 2.0, 14.0))
        content = moving_target(series.write(tmp_path), tmp_path, given_positions(series, (0, 1, 3, 4))).content
        found = magnitudes(content)
        assert np.isnan(found[2])
        assert np.abs(found[[0, 1, 3, 4]] - 14.5).max() < 0.03
        assert any("catalogued neighbour" in line for line in content["light_curve"][2]["notes"])
        assert note(content, "neighbour's light in its aperture on 1 of 5 frames")

    @pytest.mark.parametrize(("shift", "text"), [({"ra": 10.0}, "given in hours"), ({"mjd": 1.0}, "shows the target")])
    def test_positions_on_no_frame_are_refused(self, tmp_path, shift, text):
        series = crossing([14.5] * 3, rate_arcsec=8.0)
        given = given_positions(series)
        for entry in given:
            entry["mjd"] += shift.get("mjd", 0.0)
            entry["ra"] = entry["ra"] / 15.0 if "ra" in shift else entry["ra"]
        with pytest.raises(UsageError, match=text):
            moving_target(series.write(tmp_path), tmp_path, given)

    def test_filters_are_not_mixed(self, tmp_path):
        series = crossing([14.5] * 4)
        red = series.write(tmp_path, [0, 2])
        series.cards = {"FILTER": "gp"}
        with pytest.raises(UsageError, match="one filter"):
            moving_target([*red, *series.write(tmp_path, [1, 3])], tmp_path, given_positions(series))

    def test_too_few_stars_still_give_counts(self, tmp_path):
        series = crossing([14.5] * 3)
        del series.stars[4:]
        content = moving_target(series.write(tmp_path), tmp_path, given_positions(series)).content
        assert np.isnan(magnitudes(content)).all()
        for row in content["light_curve"]:
            assert row["target_net_source_counts"] > 1000
            assert row["target_differential_flux"] > 0
        assert note(content, "minimum comparison ensemble")


@pytest.fixture(scope="module")
def asteroid_frames(tmp_path_factory):
    """Return 30 files of the simulated observatory, in changing seeing, and the truth about them."""
    folder = tmp_path_factory.mktemp("asteroid")
    observatory = SimulatedObservatory(camera=Camera(rows=190, columns=190), seed=8)
    evening = date(2026, 3, 14)
    demonstration = observatory.demonstration_field(evening, n_stars=1)
    centre = SkyCoord(demonstration.centre_ra_deg, demonstration.centre_dec_deg, unit="deg")
    stars = []
    for east, north, magnitude in stars_on_a_grid(100, (-46, -25, 25, 46), spacing_arcsec=25.0):
        place = centre.spherical_offsets_by(Angle(east, "arcsec"), Angle(north, "arcsec"))
        stars.append(
            Star(name=f"star-{len(stars)}", ra_deg=place.ra.deg, dec_deg=place.dec.deg, magnitude=magnitude - 2)
        )
    asteroid = MovingObject(
        name=MOVING_OBJECT,
        ra_deg=centre.ra.deg,
        dec_deg=centre.dec.deg,
        epoch=observatory.site.local_midnight(evening),
        ra_rate_arcsec_per_hour=60.0,
        dec_rate_arcsec_per_hour=-4.0,
        magnitude=ASTEROID_MAG,
    )
    sky = StarField(centre_ra_deg=centre.ra.deg, centre_dec_deg=centre.dec.deg, stars=tuple(stars), movers=(asteroid,))
    plan = NightPlan(evening=evening, n_exposures=30, exposure_s=30.0, cadence_s=75.0, target=MOVING_OBJECT)
    paths, truths = [], []
    for exposure in observatory.exposures(plan, sky):
        paths.append(folder / f"{exposure.identity.base_name}-EX00.fits")
        write_fits(exposure, paths[-1], compression="none")
        truths.append(exposure.truth)
    return paths, truths


def check_asteroid(content, n_frames):
    found = magnitudes(content)
    errors = np.array([row["magerr"] for row in content["light_curve"]], dtype=float)
    assert found.size == n_frames
    assert np.isfinite(found).all()
    assert found.mean() == pytest.approx(ASTEROID_MAG, abs=0.01)
    assert found.std() < 1.5 * np.median(errors) < 0.03


def test_an_asteroid_s_headers_lead_to_its_brightness(asteroid_frames, tmp_path):
    paths, _ = asteroid_frames
    check_asteroid(non_sidereal(paths[::4], tmp_path, processes=2).content, 8)


def test_two_positions_lead_to_an_asteroid_s_brightness(asteroid_frames, tmp_path):
    paths, truths = asteroid_frames
    index = truths[0].index(MOVING_OBJECT)
    text = "\n".join(
        f"{truth.ra_deg[index]:.6f} {truth.dec_deg[index]:.6f} {truth.mid_exposure:%Y-%m-%dT%H:%M:%S.%f}"
        for truth in (truths[0], truths[-1])
    )
    content = moving_target(paths, tmp_path, text, processes=2).content
    assert note(content, "Located the target in the catalog of 30 of 30 frames.")
    check_asteroid(content, 30)
