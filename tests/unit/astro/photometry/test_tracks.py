"""Moving targets on simulated catalogues: the numbers of section 8.4 of the contract."""

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from datalab.astro.headers.description import FrameDescription
from datalab.astro.headers.exposure_times import midpoint, modified_julian_date
from datalab.astro.photometry.following import follow, near_track
from datalab.astro.photometry.target_positions import PositionError, TimedPosition
from datalab.astro.photometry.tracks import fit_track
from datalab.astro.sky.cross_match import unit_vectors

ARCSEC = 1 / 3600
MINUTE = 1 / 1440
START = 61_114.0
CENTRE = SkyCoord(150.0, 20.0, unit="deg")


def position(mjd, place):
    return TimedPosition(mjd=mjd, ra_deg=place.ra.deg, dec_deg=place.dec.deg)


def offset(place, east_arcsec, north_arcsec):
    return place.spherical_offsets_by(east_arcsec * u.arcsec, north_arcsec * u.arcsec)


def separation_arcsec(ra_deg, dec_deg, truth):
    return SkyCoord(ra_deg, dec_deg, unit="deg").separation(truth).arcsec


class Field:
    """Frames five minutes apart of some stars and a target that moves in a straight line, positions in arcseconds."""

    def __init__(self, n_frames=8, *, rate_arcsec_per_hour=60.0, stars=(), centre=CENTRE, noise_arcsec=0.05):
        self.centre = centre
        self.times = START + np.arange(n_frames) * 5 * MINUTE
        self.east = rate_arcsec_per_hour * 24 * (self.times - START)
        rng = np.random.default_rng(11)
        self.noise = rng.normal(0.0, noise_arcsec, (n_frames, 2))
        self.catalogues = [
            [(east + noise[0], noise[1]), *stars] for east, noise in zip(self.east, self.noise, strict=True)
        ]

    @property
    def truth(self):
        return offset(self.centre, self.east, np.zeros_like(self.east))

    def given(self, north_arcsec=0.0):
        """Return what a user says: the target in the first and in the last frame."""
        return [position(self.times[frame], offset(self.centre, self.east[frame], north_arcsec)) for frame in (0, -1)]

    def all_sources(self):
        """Return the catalogues as unit vectors."""
        places = offset(
            self.centre, *np.array([place for catalogue in self.catalogues for place in catalogue]).reshape(-1, 2).T
        )
        ends = np.cumsum([len(catalogue) for catalogue in self.catalogues])
        return np.split(unit_vectors(places.ra.deg, places.dec.deg), ends[:-1])

    def follow(self, *, radius_arcsec=10.0, given=None):
        given = given or self.given()
        track = fit_track(given)
        sources = [
            near_track(track, self.times, vectors, radius_arcsec=radius_arcsec) for vectors in self.all_sources()
        ]
        return follow(given, self.times, sources, radius_arcsec=radius_arcsec)

    def error_arcsec(self, found):
        return separation_arcsec(found.ra_deg, found.dec_deg, self.truth)


def note(found, text):
    return any(text in line for line in found.notes)


def test_two_positions_make_a_line():
    times = START + np.linspace(0, 1 / 24, 13)
    truth = offset(CENTRE, np.linspace(0, 60, 13), np.linspace(0, -30, 13))
    track = fit_track([position(times[0], truth[0]), position(times[-1], truth[-1])])
    assert track.degree == 1
    assert separation_arcsec(*track.at(times), truth).max() < 0.01


def test_sixty_arcseconds_an_hour_are_one_a_minute():
    track = fit_track([position(START, CENTRE), position(START + 1 / 24, offset(CENTRE, 0, 60))])
    ra, dec = track.at([START, START + MINUTE])
    assert separation_arcsec(ra, dec, CENTRE)[1] == pytest.approx(1.0, abs=1e-6)


def test_a_long_exposure_is_where_the_target_is_at_its_middle():
    begin = datetime(2026, 3, 14, 22, tzinfo=UTC)
    start = modified_julian_date(begin)
    track = fit_track([position(start, CENTRE), position(start + 1 / 24, offset(CENTRE, 0, 3600))])  # 1"/s
    middle = midpoint(FrameDescription(capture_time=begin, exposure_time_s=1200.0))
    ra, dec = track.at([modified_julian_date(middle)])
    assert separation_arcsec(ra, dec, CENTRE)[0] == pytest.approx(600.0, abs=0.05)  # the plane is flat, the sky is not


def curved(times):
    """Return an arc that bends by 15" over 6 hours."""
    phase = (times - START) / 0.25
    return offset(CENTRE, 900 * phase, 60 * phase * (1 - phase))


def test_three_positions_make_a_parabola_where_a_line_is_far_off():
    times = START + np.linspace(0, 0.25, 25)
    truth = curved(times)
    parabola = fit_track([position(times[k], truth[k]) for k in (0, 11, 24)])
    line = fit_track([position(times[k], truth[k]) for k in (0, 24)])
    assert parabola.degree == 2
    assert separation_arcsec(*parabola.at(times), truth).max() < 0.05
    assert separation_arcsec(*line.at(times), truth).max() > 8.0


def test_many_positions_are_fitted_best():
    times = START + np.linspace(0, 0.25, 40)
    truth = curved(times)
    noise = np.random.default_rng(2).normal(0, 0.3, (40, 2))
    noisy = offset(truth, *noise.T)
    track = fit_track([position(*pair) for pair in zip(times, noisy, strict=True)])
    assert track.degree == 2
    assert separation_arcsec(*track.at(times), truth).max() < 0.3


def test_right_ascension_zero_is_a_place_like_any_other():
    west = TimedPosition(mjd=START, ra_deg=359.99, dec_deg=5.0)
    east = TimedPosition(mjd=START + 0.1, ra_deg=0.01, dec_deg=5.0)
    ra, dec = fit_track([west, east]).at([START, START + 0.05, START + 0.1])
    assert np.minimum(ra, 360 - ra)[1] < 1e-9
    assert (ra[0], ra[2]) == pytest.approx((359.99, 0.01))
    assert ((ra >= 0) & (ra < 360)).all()
    assert dec == pytest.approx([5.0] * 3, abs=1e-5)


def test_the_pole_is_a_place_like_any_other():
    before = TimedPosition(mjd=START, ra_deg=10.0, dec_deg=89.99)
    after = TimedPosition(mjd=START + 0.1, ra_deg=190.0, dec_deg=89.99)
    _, dec = fit_track([before, after]).at([START, START + 0.05])
    assert dec == pytest.approx([89.99, 90.0], abs=1e-9)


@pytest.mark.parametrize("far", [(243.0, 0.0), (330.0, -20.0)])
def test_positions_on_two_sides_of_the_sky_are_refused(far):
    positions = [position(START, CENTRE), TimedPosition(mjd=START + 1, ra_deg=far[0], dec_deg=far[1])]
    with pytest.raises(PositionError, match="more than 90 degrees apart"):
        fit_track(positions)


def test_no_position_is_refused():
    with pytest.raises(PositionError, match="no target position"):
        fit_track([])


def test_the_target_is_found_in_every_frame():
    field = Field(6)
    found = field.follow()
    assert note(found, "Located the target in the catalog of 6 of 6 frames.")
    assert note(found, "Fitted a degree-2 target track to 8 positions.")
    assert field.error_arcsec(found).max() < 0.1


def test_what_moves_is_preferred_to_a_nearer_star():
    field = Field(stars=[(17.0, -0.5)])
    given = field.given(north_arcsec=-3.0)
    found = field.follow(given=given)
    assert note(found, "Located the target in the catalog of")
    assert field.error_arcsec(found).max() < 0.3


def test_stars_alone_are_not_taken_for_the_target():
    field = Field(stars=[(east, 4.0) for east in range(0, 40, 5)])
    field.catalogues = [catalogue[1:] for catalogue in field.catalogues]
    found = field.follow()
    assert note(found, "No catalogued source near")
    assert note(found, "Measured at the interpolated positions.")
    assert field.error_arcsec(found).max() < 0.01


def test_a_ghost_that_stays_is_not_the_target():
    """A star that only three frames list, next to where the target is then: too few sightings to call it a star."""
    field = Field(12)
    field.catalogues = [[] for _ in field.catalogues]
    for frame in (5, 6, 7):
        field.catalogues[frame] = [(field.east[6], 2.0)]
    found = field.follow()
    assert note(found, "stationary source") or note(found, "No catalogued source near")
    assert note(found, "Measured at the interpolated positions.")
    assert field.error_arcsec(found).max() < 0.01


def test_one_that_hardly_moves_is_kept_and_said_so():
    field = Field(rate_arcsec_per_hour=0.15)
    found = field.follow(given=field.given(north_arcsec=2.0))
    assert note(found, "cannot be told apart")
    assert note(found, "Located the target in the catalog of 8 of 8 frames.")
    assert field.error_arcsec(found).max() < 0.15


def test_a_stray_is_left_out():
    field = Field()
    field.catalogues[4][0] = (field.east[4], 8.0)
    found = field.follow()
    assert note(found, "Rejected 1 inconsistently-moving candidate(s)")
    assert note(found, "in the catalog of 7 of 8 frames")
    assert field.error_arcsec(found).max() < 0.15


def test_a_few_sightings_do_not_lead_away_from_what_was_given():
    """Three neighbouring places and their errors say little about where the target is an hour later."""
    field = Field(24, noise_arcsec=0.3)
    for frame, catalogue in enumerate(field.catalogues):
        if frame not in {9, 10, 11}:
            catalogue.clear()
    found = field.follow()
    assert note(found, "in the catalog of 3 of 24 frames")
    assert not note(found, "Extrapolated")
    assert field.error_arcsec(found).max() < 2.0


def test_fewer_than_three_sightings_are_none():
    field = Field()
    for frame in range(2, 8):
        field.catalogues[frame] = []
    found = field.follow()
    assert note(found, "No catalogued source near")
    assert note(found, "Measured at the interpolated positions.")
    assert note(found, "Fitted a degree-1 target track to 2 positions.")


def test_fewer_than_three_frames_are_not_searched():
    field = Field(2)
    found = field.follow()
    assert not note(found, "Located")
    assert note(found, "Measured at the interpolated positions.")
    assert field.error_arcsec(found).max() < 0.01


def test_a_prediction_thirty_arcseconds_off_needs_a_larger_radius():
    field = Field()
    given = field.given(north_arcsec=30.0)
    missed, found = field.follow(given=given), field.follow(given=given, radius_arcsec=45.0)
    assert note(missed, "Measured at the interpolated positions.")
    assert field.error_arcsec(missed).min() > 29.0
    assert note(found, "in the catalog of 8 of 8 frames")
    assert note(found, "to 8 positions.")  # what was given does not agree and must not bend the track
    assert field.error_arcsec(found).max() < 0.15


def test_frames_beyond_the_known_positions_are_named():
    field = Field()
    for catalogue in field.catalogues:
        catalogue.clear()
    given = [position(field.times[k], field.truth[k]) for k in (2, 5)]
    found = field.follow(given=given)
    assert note(found, "Extrapolated 4 frame(s)")
    assert field.error_arcsec(found).max() < 0.01
    assert not note(field.follow(), "Extrapolated")


def test_a_long_arc_from_two_positions_asks_for_a_third():
    field = Field()
    for catalogue in field.catalogues:
        catalogue.clear()
    first, last = field.given()
    later = TimedPosition(mjd=first.mjd + 0.6, ra_deg=last.ra_deg, dec_deg=last.dec_deg)
    assert note(field.follow(given=[first, later]), "third, mid-series frame")
    assert not note(field.follow(), "third, mid-series frame")


def test_notes_say_how_far_how_fast_how_well_and_which_frames():
    field = Field()
    field.catalogues[2] = []
    field.catalogues[4][0] = (field.east[4], 8.0)
    names = [f"frame-{letter}" for letter in "abcdefgh"]
    given = [position(field.times[k], field.truth[k]) for k in (1, 6)]
    found = follow(given, field.times, field.all_sources(), radius_arcsec=10.0, names=names)
    assert note(found, "candidate(s) near the predicted positions: frame-e.")
    assert note(found, "No source of the catalog is the target on 2 of 8 frames (frame-c, frame-e).")
    (said,) = [line for line in found.notes if line.startswith("Its arc is ")]
    arc, hours, rate = (float(number) for number in re.findall(r"[\d.]+(?=\" in| h,|\"/h)", said))
    assert (arc, hours, rate) == (
        pytest.approx(35.0, abs=0.2),
        pytest.approx(35 / 60, abs=1e-3),
        pytest.approx(60, abs=0.4),
    )
    assert note(found, '" (RMS).')
    assert not note(found, "cannot be told apart")


def test_frames_on_which_the_target_cannot_be_told_apart_are_named():
    """It moves 1.25 arcsec from frame to frame, of three: no frame has two others where it is clearly elsewhere."""
    field = Field(3, rate_arcsec_per_hour=15.0)
    found = follow(field.given(), field.times, field.all_sources(), radius_arcsec=10.0, names=["a", "b", "c"])
    assert note(found, "cannot be told apart from stationary sources near it on 3 of 3 frames (a, b, c)")


def test_extrapolated_frames_are_named():
    field = Field()
    for catalogue in field.catalogues:
        catalogue.clear()
    given = [position(field.times[k], field.truth[k]) for k in (2, 5)]
    found = follow(given, field.times, field.all_sources(), radius_arcsec=10.0, names=list("abcdefgh"))
    assert note(found, "last known position of the target: a, b, g, h.")


def test_what_is_far_from_the_way_does_not_matter():
    """The catalogues are cut to the target's way before they are compared: the result must be the same."""
    rng = np.random.default_rng(7)
    field = Field(stars=list(rng.uniform(-200, 200, (150, 2))))
    given = field.given()
    sources = field.all_sources()
    everything = follow(given, field.times, sources, radius_arcsec=10.0)
    cut = field.follow()
    near = near_track(fit_track(given), field.times, sources[0], radius_arcsec=10.0)
    assert 0 < len(near) < 20
    assert cut.notes == everything.notes
    np.testing.assert_array_equal(cut.ra_deg, everything.ra_deg)


def test_a_thousand_frames_take_no_time():
    rng = np.random.default_rng(9)
    field = Field(999, rate_arcsec_per_hour=5.0, stars=list(rng.uniform(-50, 450, (60, 2))))
    found = field.follow()
    assert note(found, "Located the target in the catalog of 9")
    assert field.error_arcsec(found).max() < 0.2
