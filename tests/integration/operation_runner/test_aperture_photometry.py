import json
import weakref

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image as Picture

from datalab.astro.ephemeris.barycentre import barycentric_jd
from datalab.fits.image import FitsImage
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import VARIABLE_STAR, NightPlan, SimulatedObservatory
from datalab.simulation.products import write_fits as write_exposure
from operation_runner.operations.aperture_photometry import AperturePhotometry
from operation_runner.sdk import UsageError
from support.aperture_field import RADII, STARS_XY, TARGET, TARGET_XY, add_star, field_frame, write_field
from support.operations import run

INVALID = "Operation Aperture Photometry received invalid input:"
#: What the predecessor measured: frame -> centroid x, y, net counts, sigma, magnitude, its sigma.
GOLDEN = {
    "frame-3": (30.33400171, 28.74966032, 8390.364885, 97.10651088, 12.817219232, 0.013026205),
    "frame-2": (30.33399583, 28.74966928, 8190.593050, 96.49954202, 12.843382981, 0.013244378),
    "frame-1": (30.33398970, 28.74967870, 7990.821330, 95.88873152, 12.870192802, 0.013473233),
}


def measured(paths, tmp_path, *, processes=1, name="work", **parameters):
    given = {"source": TARGET, "input_files": paths, **RADII, **parameters}
    return run(AperturePhotometry(), given, work_dir=tmp_path / name, processes=processes)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """Return the paths of the three frames, and what the operation makes of them."""
    folder = tmp_path_factory.mktemp("field")
    paths = write_field(folder / "frames")
    return paths, measured(paths, folder)


def test_the_light_curve_has_the_numbers_clients_know(field):
    rows = field[1].content["light_curve"]
    assert [row["fits_path"] for row in rows] == list(GOLDEN)  # in order of time
    for row, (x, y, net, sigma, mag, mag_sigma) in zip(rows, GOLDEN.values(), strict=True):
        assert row["target_centroid_x"] == pytest.approx(x, abs=1e-8)
        assert row["target_centroid_y"] == pytest.approx(y, abs=1e-8)
        # The sky of this field has hardly any noise; what clipping takes of its upper tail is 6e-5 counts here.
        assert row["target_net_source_counts"] == pytest.approx(net, rel=1e-8)
        assert row["target_source_uncertainty"] == pytest.approx(sigma, rel=1e-8)
        assert row["target_calibrated_apparent_magnitude"] == pytest.approx(mag, abs=1e-8)
        assert row["comparison_ensemble_total_counts"] == pytest.approx(95496.521673, rel=1e-8)
        # The reference loses two of 130 sky pixels to rounding in its variance (a difference of squares).
        assert row["comparison_ensemble_uncertainty"] == pytest.approx(301.899926, rel=2e-3)
        assert row["target_calibrated_apparent_magnitude_uncertainty"] == pytest.approx(mag_sigma, rel=2e-4)
        assert (row["mag"], row["magerr"]) == (
            row["target_calibrated_apparent_magnitude"],
            row["target_calibrated_apparent_magnitude_uncertainty"],
        )
    assert rows[0]["date_obs"] == "2025-01-01T00:00:01+00:00"
    assert rows[0]["observation_date"] == "2025-01-01T00:00:01.000Z"
    assert rows[0]["julian_date"] == pytest.approx(2460676.5 + 1 / 86400, abs=1e-9)
    for row in rows:
        # Pixels of 1 arcsec, of which FITS calls the one in the corner 1 and the reference pixel 0.
        dec = 20.0 + (row["target_centroid_y"] + 0.5) / 3600
        ra = 100.0 + (row["target_centroid_x"] + 0.5) / 3600 / np.cos(np.radians(dec))
        assert (row["target_ra_deg"], row["target_dec_deg"]) == pytest.approx((ra, dec), abs=1e-6, rel=0)
        assert row["bjd_tdb"] == pytest.approx(barycentric_jd(row["julian_date"], ra, dec), abs=1e-9, rel=0)


def test_the_ensemble_is_the_one_clients_know(field):
    content = field[1].content
    stars = content["selected_comparison_stars"]
    # By name in the catalogue. The predecessor's identifiers (cand-009 ...) are one lower: its half-pixel error
    # puts the first star too close to the edge to be a candidate.
    labels = [star["source_catalog_by_frame"]["frame-1"]["source_label"] for star in stars]
    assert labels == [f"comp-{number:02d}" for number in (11, 3, 9, 4, 8, 7, 5, 6)]
    assert stars[0]["candidate_id"] == "cand-010"
    assert stars[0]["source_catalog_by_frame"]["frame-2"] == {"source_label": "comp-11", "flux": 11300.0, "mag": 12.9}
    assert stars[0]["reference_magnitude"] == pytest.approx(12.9)
    assert stars[0]["reference_magnitude_source"] == "second_hdu"
    assert stars[0]["measured_instrumental_magnitude"] == pytest.approx(-2.5 * np.log10(11287.610005), abs=1e-8)
    assert content["pipeline_diagnostics"] == []
    heading, first, *others = content["diagnostics"]["frame-1"]
    assert heading.startswith("comparison star identifier |")
    values = "cand-010 | 100.0176 | 20.0039 | 11288 | 11300 | 12.495 | 12.900"
    assert first == f"comparison-star validation row: {values}"
    assert len(others) == 7
    assert all(len(row.split("|")) == 7 for row in (heading, first, *others))
    assert content["source"] == TARGET
    assert content["filter"] == "rp"
    assert "period" not in content


def test_every_frame_has_a_picture(field):
    (data,) = field[1].data
    assert [picture.name for picture in data.pictures] == list(GOLDEN)
    for picture in data.pictures:
        assert picture.field == "diagnostic_images"
        assert picture.file.media_type == "image/jpeg"
        with Picture.open(picture.file.path) as shown:
            assert max(shown.size) == 1500


def test_progress_says_what_is_done(field):
    reports = field[1].progress
    assert [fraction for fraction, _ in reports] == sorted(fraction for fraction, _ in reports)
    ends = {message.partition(":")[0]: round(fraction, 9) for fraction, message in reports}
    assert ends == {
        "Downloading input frames": 0.25,
        "Validating input frames": 0.3,
        "Building comparison star catalog": 0.45,
        "Measuring source and comparison stars": 0.6,
        "Selecting comparison stars": 0.75,
        "Creating diagnostic images": 0.9,
        "Saving output images": 0.9,
        "": 1.0,
    }
    assert (0.25, "Downloading input frames: 100%") in reports
    assert reports[-1] == (1.0, "")


def test_the_result_is_the_same_in_several_processes_and_for_both_spellings(field, tmp_path):
    paths, alone = field
    together = measured(paths, tmp_path, processes=3)
    assert together.content == alone.content
    pictures = [[picture.file.path.read_bytes() for picture in run.data[0].pictures] for run in (alone, together)]
    assert pictures[0] == pictures[1]
    for number, spelling in enumerate(([TARGET], TARGET)):
        given = {"input_files": paths, **RADII, "target_positions": spelling}
        other = run(AperturePhotometry(), given, work_dir=tmp_path / str(number))
        assert other.content == alone.content


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"annulus_inner_radius": 4.0}, "annulus_inner_radius must be greater than aperture_radius."),
        ({"annulus_outer_radius": 6.0}, "annulus_outer_radius must be greater than annulus_inner_radius."),
        (
            {"min_comparisons": 9, "max_comparisons": 8},
            "min_comparisons and max_comparisons must be positive and min_comparisons <= max_comparisons.",
        ),
        ({"source": None}, "Operation Aperture Photometry requires at least 1 target_positions"),
        (
            {"source": None, "target_positions": []},
            "Operation Aperture Photometry requires at least 1 target_positions",
        ),
        (
            {"annulus_outer_radius": 100.0},
            "Aperture photometry requires at least 1 valid input file with SCI and CAT extensions.",
        ),
    ],
)
def test_parameters_that_cannot_work_are_refused_in_words(field, tmp_path, parameters, text):
    with pytest.raises(UsageError) as refused:
        measured(field[0], tmp_path, **parameters)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("parameters", "name", "keyword", "text"),
    [
        ({"annulus_outer_radius": ...}, None, "*", f"{INVALID} annulus_outer_radius must be a number of arcseconds."),
        (
            {"aperture_radius": "wide"},
            "aperture_radius",
            "*",
            f"{INVALID} aperture_radius must be a number of arcseconds.",
        ),
        ({"aperture_radius": 0}, "aperture_radius", "exclusiveMinimum", "aperture_radius must be > 0."),
        (
            {"min_comparisons": 0},
            "min_comparisons",
            "minimum",
            "min_comparisons and max_comparisons must be positive and min_comparisons <= max_comparisons.",
        ),
        ({"target_positions": [{"ra": 10, "dec": 120}]}, "target_positions", "*", "target_positions to be a list"),
        ({"source": {"ra": "x", "dec": 0}}, "source", "*", "source to be a position with ra and dec in degrees"),
    ],
)
def test_requests_that_break_the_schema_have_their_texts(parameters, name, keyword, text):
    schema = AperturePhotometry.Parameters.model_json_schema()
    request = {"input_files": [{"source": "archive", "basename": "a"}], **RADII, **parameters}
    given = {key: value for key, value in request.items() if value is not ...}
    (error,) = Draft202012Validator(schema).iter_errors(given)
    if name is None:
        assert error.validator == "required"
        (name,) = parameters
    else:
        assert error.absolute_path[0] == name
    refusals = schema["properties"][name]["x-refusals"]
    assert keyword in {"*", error.validator}
    assert text in refusals[keyword]


def test_the_wizard_begins_with_a_source_that_every_client_can_draw():
    inputs = AperturePhotometry.wizard()["inputs"]
    assert list(inputs) == [
        "source",
        "input_files",
        "aperture_radius",
        "annulus_inner_radius",
        "annulus_outer_radius",
        "min_comparisons",
        "max_comparisons",
    ]
    assert inputs["source"] == {
        "name": "Target",
        "description": "The source to measure",
        "type": "source",
        "name_lookup": True,
        "required": True,
    }
    assert inputs["input_files"]["filter_options"] == ["rp", "ip", "gp", "zs"]
    assert inputs["input_files"]["single_filter"] is True
    defaults = {key: (given["type"], given["default"]) for key, given in inputs.items() if "default" in given}
    assert defaults == {
        "aperture_radius": ("float", 7.64),
        "annulus_inner_radius": ("float", 12.73),
        "annulus_outer_radius": ("float", 19.1),
        "min_comparisons": ("int", 5),
        "max_comparisons": ("int", 10),
    }


def test_frames_that_cannot_be_used_are_skipped_and_named(tmp_path):
    def damage(number, frame):
        match number:
            case 3:
                frame.cards["DATE-OBS"] = "yesterday"
            case 4:
                frame.cards["CTYPE1"] = frame.cards["CTYPE2"] = None
            case 5:
                frame.columns = {}
            case 6:
                del frame.columns["mag"]
            case 7:
                frame.columns = {name: values[:0] for name, values in frame.columns.items()}

    paths = write_field(tmp_path / "frames", 8, change=damage)
    broken = tmp_path / "frames" / "broken.fits"
    broken.write_bytes(b"SIMPLE  = nonsense")
    content = measured([*paths, broken], tmp_path).content
    assert [row["fits_path"] for row in content["light_curve"]] == ["frame-3", "frame-2", "frame-1"]
    notes = sorted(content["pipeline_diagnostics"])
    assert [note.split(":")[0] for note in notes] == ["Skipped broken", *(f"Skipped frame-{n}" for n in range(4, 9))]
    assert "DATE-OBS" in notes[1]
    assert "WCS" in notes[2]
    assert "source catalog" in notes[3].lower()
    assert "no column mag" in notes[4]
    with pytest.raises(UsageError, match=r"^Aperture photometry requires at least 1 valid input file with SCI and CAT"):
        measured([broken, paths[3]], tmp_path, name="none")


def test_a_frame_whose_pixels_are_damaged_does_not_cost_the_others(field, tmp_path, monkeypatch):
    def pixels(image, read=FitsImage.pixels):
        if image.basename == "frame-2":
            raise UsageError("The input file frame-2 is damaged: rows 0 to 80 cannot be read: what a codec says")
        return read(image)

    monkeypatch.setattr(FitsImage, "pixels", pixels)
    content = measured(field[0], tmp_path).content
    assert [row["fits_path"] for row in content["light_curve"]] == ["frame-3", "frame-1"]
    assert list(content["diagnostics"]) == ["frame-3", "frame-1"]
    assert list(content["selected_comparison_stars"][0]["source_catalog_by_frame"]) == ["frame-3", "frame-1"]
    (note,) = content["pipeline_diagnostics"]
    assert note.startswith("Skipped frame-2: The input file frame-2 is damaged")
    with pytest.raises(UsageError, match=r"^Aperture photometry requires at least 1 valid input file"):
        measured(field[0][1:2], tmp_path, name="alone")


def test_a_target_that_is_not_there_is_measured_where_the_wcs_has_it(tmp_path):
    paths = write_field(tmp_path / "frames", target_flux=0.0)
    content = measured(paths, tmp_path).content
    frame = field_frame(0)
    ra, dec = np.radians(TARGET["ra"] - frame.cards["CRVAL1"]), np.radians(TARGET["dec"])
    dec0 = np.radians(frame.cards["CRVAL2"])
    cosine = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra)
    x = np.degrees(np.cos(dec) * np.sin(ra) / cosine) * 3600 - 0.5  # CRPIX 0 is the centre of pixel -1: edge at -0.5
    for row in content["light_curve"]:
        assert row["target_centroid_x"] == pytest.approx(x, abs=1e-6)
        assert row["mag"] is None or row["mag"] > 15
    assert any("WCS position" in note for note in content["diagnostics"]["frame-1"])


def test_the_counts_do_not_depend_on_the_scale_of_the_sky(field, tmp_path):
    def halve(_, frame):
        for name in ("CD1_1", "CD2_2"):
            frame.cards[name] /= 2
        for name, centre in (("ra", 100.0), ("dec", 20.0)):
            frame.columns[name] = centre + (frame.columns[name] - centre) / 2

    half = {"ra": 100 + (TARGET["ra"] - 100) / 2, "dec": 20 + (TARGET["dec"] - 20) / 2}
    paths = write_field(tmp_path / "frames", change=halve)
    content = measured(paths, tmp_path, source=half, **{name: radius / 2 for name, radius in RADII.items()}).content
    for row, expected in zip(content["light_curve"], GOLDEN.values(), strict=True):
        assert row["target_net_source_counts"] == pytest.approx(expected[2], rel=1e-3)


def test_a_target_without_light_keeps_its_rows(tmp_path):
    paths = write_field(tmp_path / "frames", target_flux=-3000.0)
    outcome = measured(paths, tmp_path)
    assert [row["mag"] for row in outcome.content["light_curve"]] == [None] * 3
    assert all(row["target_net_source_counts"] < 0 for row in outcome.content["light_curve"])
    json.dumps(outcome.content, allow_nan=False)


def test_a_bright_target_is_noted_once(tmp_path):
    paths = write_field(tmp_path / "frames", target_flux=28_000.0)
    notes = [note for note in measured(paths, tmp_path).content["pipeline_diagnostics"] if "extrapolated" in note]
    assert len(notes) == 1
    assert "brighter than every comparison star" in notes[0]


def test_too_few_comparison_stars_are_refused(field, tmp_path):
    with pytest.raises(UsageError, match=r"minimum comparison ensemble\."):
        measured(field[0], tmp_path, min_comparisons=9, max_comparisons=12)


def test_a_saturated_star_is_not_compared_with(field, tmp_path):
    def saturate(number, frame):
        frame.cards["SATURATE"] = 2500.0  # the brightest star has 1950 counts
        if number == 1:
            add_star(frame.pixels, 63.5, 14, 6000)

    compared = [star["candidate_id"] for star in field[1].content["selected_comparison_stars"]]
    content = measured(write_field(tmp_path / "frames", change=saturate), tmp_path).content
    left = [star["candidate_id"] for star in content["selected_comparison_stars"]]
    assert sorted(left) == sorted(set(compared) - {"cand-010"})


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Return the frames of a simulated variable star, its position, and its true magnitudes in order of time."""
    folder = tmp_path_factory.mktemp("night")
    observatory = SimulatedObservatory(camera=Camera(rows=300, columns=300))
    plan = NightPlan(n_exposures=16, cadence_s=900.0, target=VARIABLE_STAR)
    sky = observatory.demonstration_field(plan.evening, n_stars=150)
    paths, truth, position = [], [], {}
    for exposure in observatory.exposures(plan, sky):
        paths.append(folder / f"{exposure.identity.base_name}.fits.fz")
        write_exposure(exposure, paths[-1])
        star = exposure.truth.index(VARIABLE_STAR)
        truth.append(exposure.truth.magnitude[star])
        position = {"ra": float(exposure.truth.ra_deg[star]), "dec": float(exposure.truth.dec_deg[star])}
    return paths, position, np.array(truth)


def test_the_light_curve_of_a_simulated_variable_is_the_truth_within_its_errors(night, tmp_path):
    paths, position, truth = night
    outcome = measured(
        paths, tmp_path, processes=2, source=position, aperture_radius=6.0, annulus_inner_radius=10.0,
        annulus_outer_radius=16.0,
    )  # fmt: skip
    content = outcome.content
    rows = content["light_curve"]
    mag, error = (np.array([row[name] for row in rows], float) for name in ("mag", "magerr"))
    difference = mag - truth
    assert len(rows) == len(truth)
    assert (difference - difference.mean()).std() < 0.01
    assert abs(difference.mean()) < 0.03  # colour terms of the catalogue's zero point are in it
    assert ((difference - difference.mean()) / error).std() == pytest.approx(1.0, abs=0.4)
    assert content["period"] == pytest.approx(0.1, rel=0.02)
    assert len(content["frequency"]) == len(content["power"]) == len(content["window_power"])
    assert {candidate["kind"] for candidate in content["period_candidates"]} == {"peak", "double"}


def test_one_image_is_in_memory_and_each_is_read_twice(field, tmp_path, monkeypatch):
    reads, alive, most = [], set(), []

    def pixels(image, read=FitsImage.pixels):
        array = read(image)
        reads.append(image.basename)
        alive.add(image.basename)
        weakref.finalize(array, alive.discard, image.basename)
        most.append(len(alive))
        return array

    monkeypatch.setattr(FitsImage, "pixels", pixels)
    measured(field[0], tmp_path)
    assert sorted(reads) == sorted([*GOLDEN, *GOLDEN])
    assert max(most) == 1


def bad_frame(kind):
    """Return a change that spoils the second of eight frames."""

    def change(number, frame):
        if number != 1:
            return
        match kind:
            case "zero":
                frame.pixels[:] = 0.0
            case "blank":
                frame.pixels[:] = np.nan
            case "saturated":
                frame.pixels[:] = 65535.0
                frame.pixels[::7, ::5] = 60000.0
                frame.cards["SATURATE"] = 65000.0

    return change


@pytest.mark.parametrize(
    ("kind", "reason"), [("zero", "all of its pixels are 0"), ("blank", "are blank"), ("saturated", "are saturated")]
)
def test_one_bad_frame_of_eight_costs_only_itself(tmp_path, kind, reason):
    content = measured(write_field(tmp_path / "frames", 8, change=bad_frame(kind)), tmp_path).content
    assert [row["mag"] is None for row in content["light_curve"]] == [False] * 7
    (note,) = content["pipeline_diagnostics"]
    assert note.startswith("Skipped frame-2: ")
    assert reason in note


def test_one_blank_pixel_in_each_of_the_stars_costs_nothing(tmp_path):
    def change(number, frame):
        if number == 1:
            for x, y in STARS_XY:
                frame.pixels[int(y) + 2, int(x) + 2] = np.nan

    clean = measured(write_field(tmp_path / "clean", 4), tmp_path, name="clean").content
    content = measured(write_field(tmp_path / "frames", 4, change=change), tmp_path).content
    mags, expected = ([row["mag"] for row in found["light_curve"]] for found in (content, clean))
    assert mags == pytest.approx(expected, abs=2e-3)
    (row,) = [row for row in content["light_curve"] if row["fits_path"] == "frame-2"]
    assert any("comparison star(s): blank pixels or cosmic rays were filled in" in note for note in row["notes"])


def test_a_target_that_is_not_seen_has_a_limit(tmp_path):
    rng = np.random.default_rng(2)

    def change(_, frame):
        frame.pixels[:] = rng.poisson(frame.pixels * 1.7) / 1.7

    content = measured(write_field(tmp_path / "frames", 4, change=change, target_flux=0.0), tmp_path).content
    for row in content["light_curve"]:
        assert row["mag"] is None
        assert 16.0 < row["target_magnitude_limit"] < 19.0
        assert row["target_signal_to_noise"] is None or row["target_signal_to_noise"] < 3.0
        assert any("fainter than" in note for note in row["notes"])
    assert any("below 3 sigma on 4 of 4 frames" in note for note in content["notes"])


def test_a_position_on_no_frame_is_refused_with_a_hint(field, tmp_path):
    with pytest.raises(UsageError, match=r"No image shows the target: .* given in hours") as refused:
        measured(field[0], tmp_path, source={"ra": TARGET["ra"] / 15.0, "dec": TARGET["dec"]})
    assert "degrees from the centre" in str(refused.value)


def test_filters_are_not_mixed(tmp_path):
    def change(number, frame):
        frame.cards["FILTER"] = "gp" if number else "rp"

    with pytest.raises(UsageError, match=r"Aperture Photometry requires images of one filter, .* gp, rp"):
        measured(write_field(tmp_path / "frames", change=change), tmp_path)


def test_frames_of_two_telescopes_and_twice_the_same_are_named(tmp_path):
    def change(number, frame):
        frame.cards |= {"TELID": f"0m4{'ab'[number // 2]}", "INSTRUME": "sq01", "EXPTIME": 30.0}
        if number == 1:
            frame.cards["DATE-OBS"] = "2025-01-01T00:00:03"  # of the first

    notes = measured(write_field(tmp_path / "frames", change=change), tmp_path).content["notes"]
    assert any("may be one exposure" in note for note in notes)
    assert any(note.startswith("The telescopes differ") for note in notes)


def test_a_setting_of_the_camera_is_no_gain_and_said_so(tmp_path):
    def change(_, frame):
        frame.cards["GAIN"] = 360

    content = measured(write_field(tmp_path / "frames", change=change), tmp_path).content
    assert any(note.startswith("GAIN: 360 is a setting of the camera") for note in content["notes"])
    assert any("is not known of 3 of 3 frames" in note for note in content["notes"])


def test_a_blended_target_is_flagged(tmp_path):
    """The catalogue has both: 4 arcsec apart, in one aperture."""

    def change(_, frame):
        x, y = TARGET_XY[0] + 4.0, TARGET_XY[1]
        add_star(frame.pixels, x, y, 4000)
        for name, target, neighbour in (
            ("ra", TARGET["ra"], 100 + x / 3600), ("dec", TARGET["dec"], 20 + y / 3600), ("flux", 8000.0, 4000.0),
            ("mag", 12.85, 13.6), ("id", "target", "near"),
        ):  # fmt: skip
            frame.columns[name] = [*frame.columns[name], target, neighbour]

    content = measured(write_field(tmp_path / "frames", change=change), tmp_path).content
    assert all(row["mag"] is not None for row in content["light_curve"])
    assert all(any("catalogued neighbour" in note for note in row["notes"]) for row in content["light_curve"])
    assert any("neighbour's light in its aperture on 3 of 3 frames" in note for note in content["pipeline_diagnostics"])
