"""Every operation there is, started as the existing user interface would, on a simulated night; outputs verified."""

import itertools
import math
import statistics
from io import BytesIO

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from PIL import Image as Picture

from support.tour_form import Form, output_items
from support.tour_outputs import check_catalogue, input_files, opened_outputs
from support.tour_sky import (
    AMPLITUDE_MAG,
    ASTEROID,
    BEACON,
    FIELD_STARS,
    PERIOD_DAYS,
    SCALE_ARCSEC,
    SHAPE,
    VARIABLE,
)
from support.tour_stops import STOPS, Journey, cluster, source_of

_APERTURE_FORM = "input_files aperture_radius annulus_inner_radius annulus_outer_radius min_comparisons max_comparisons"
#: The operations existing users know, and the inputs of each in the order of the contract (3.3, 3.12).
REFERENCE_FORMS = {
    "Aperture Photometry": f"source {_APERTURE_FORM}",
    "Moving Target Aperture Photometry": f"{_APERTURE_FORM} target_positions track_search_radius",
    "Non-Sidereal Aperture Photometry": _APERTURE_FORM,
    "Color Image": "color_channels",
    "HR Diagram": "blue_filter_files red_filter_files cluster search_radius_arcmin",
    "Light Curve": "source input_files",
    "Median": "input_files",
    "Normalization": "input_files",
    "Stacking": "input_files stacking_mode",
    "Subtraction": "input_files subtraction_file",
    "Variable Star": "source input_files",
}
APERTURE_KEYS = {
    "aperture_radius", "annulus_inner_radius", "annulus_outer_radius", "filter", "light_curve",
    "selected_comparison_stars", "diagnostics", "pipeline_diagnostics", "diagnostic_images", "source", "period", "fap",
    "frequency", "power", "period_candidates", "window_power", "period_notes", "notes",
}  # fmt: skip
APERTURE_ROW_KEYS = {
    "fits_path", "date_obs", "target_centroid_x", "target_centroid_y", "target_net_source_counts",
    "target_source_uncertainty", "comparison_ensemble_total_counts", "comparison_ensemble_uncertainty",
    "target_differential_flux", "target_differential_flux_uncertainty", "target_calibrated_apparent_magnitude",
    "target_calibrated_apparent_magnitude_uncertainty", "mag", "magerr", "julian_date", "observation_date",
    "target_signal_to_noise", "target_magnitude_limit", "target_ra_deg", "target_dec_deg", "bjd_tdb", "notes",
}  # fmt: skip
HEADING = "comparison star identifier | "
STAR_ROW = "comparison-star validation row:"


@pytest.fixture(scope="module")
async def journey(tour):
    travelled = Journey(tour)
    await travelled.run()
    return travelled


async def plain(journey, name):
    """Return the run of an operation with the defaults of its form."""
    return next(run for run in await journey.completed(name) if not run.options)


async def with_option(journey, name, **options):
    return next(run for run in await journey.completed(name) if run.options == options)


@pytest.mark.parametrize("name", STOPS)
async def test_every_run_is_completed_and_its_outputs_are_sound(journey, name):
    runs = await journey.completed(name)
    assert len(runs) == 1 + sum(len(options) - 1 for options in Form(journey.descriptions[name], []).selects.values())
    for run in runs:
        assert run.operation["name"] == name
        assert run.outputs or run.data, run
        for output in run.outputs:
            assert np.isfinite(output.pixels).mean() > 0.9, run
            if name != "Master Frame":  # which shows no sky
                assert output.wcs.has_celestial
                scales = [scale.to_value("arcsec") for scale in output.wcs.proj_plane_pixel_scales()]
                assert scales == pytest.approx([SCALE_ARCSEC] * 2, rel=1e-3)


async def test_a_list_shows_what_single_operations_show(journey, tour):
    """Links are signed anew, everything else is the same."""
    (run, *_) = await journey.completed("Aperture Photometry")
    listed = await tour.alice.get(f"datasessions/{run.session}/operations/?limit=1000")
    (shown,) = (operation for operation in listed["results"] if operation["id"] == run.number)
    assert {**shown, "output": None} == {**run.operation, "output": None}
    assert shown["output"]["output_data"][0]["light_curve"] == run.data["light_curve"]


# --- images ---------------------------------------------------------------------------------------------------------


async def test_median_of_three(journey, tour):
    run = await plain(journey, "Median")
    (output,) = run.outputs
    names = [item["basename"] for item in run.inputs["input_files"]]
    expected = np.median([tour.archive[name].pixels() for name in names], axis=0)
    np.testing.assert_array_equal(output.pixels, expected)
    assert output.comment == f"Datalab Median on {', '.join(names)}"
    check_catalogue(output)
    assert "filter" not in output.item
    assert (output.header["FILTER"], output.item["target_name"]) == ("rp", ASTEROID.name)
    assert output.item["observation_date"].startswith(tour.archive[names[0]].header["DATE-OBS"])


async def test_normalization_shows_every_output_when_it_is_completed(journey, tour):
    run = await plain(journey, "Normalization")
    for output, item in zip(run.outputs, run.inputs["input_files"], strict=True):
        frame = tour.archive[item["basename"]].pixels()
        np.testing.assert_allclose(output.pixels, frame / np.median(frame), rtol=1e-6)
        assert output.comment == f"Datalab Normalization on file {item['basename']}"
        assert max(np.abs(output.star_offset_px())) < 0.1
        check_catalogue(output)


async def test_subtraction(journey, tour):
    run = await plain(journey, "Subtraction")
    (subtracted,) = run.inputs["subtraction_file"]
    taken = tour.archive[subtracted["basename"]].pixels().astype(float)
    for output, item in zip(run.outputs, run.inputs["input_files"], strict=True):
        np.testing.assert_array_equal(output.pixels, tour.archive[item["basename"]].pixels() - taken)
        check_catalogue(output)
        assert output.comment == (f"Datalab Subtraction of {subtracted['basename']} subtracted from {item['basename']}")


async def test_stacking_pixel_by_pixel(journey, tour):
    frames = [
        tour.archive[item["basename"]].pixels().astype(float)
        for item in (await plain(journey, "Stacking")).inputs["input_files"]
    ]
    for options, expected in (
        ({}, np.sum(frames, axis=0)),
        ({"combine": "average"}, np.mean(frames, axis=0)),
        ({"combine": "median"}, np.median(frames, axis=0)),
        ({"weighting": "exposure time"}, np.sum(frames, axis=0)),  # all exposed alike
    ):
        (output,) = (await with_option(journey, "Stacking", **options)).outputs
        np.testing.assert_allclose(output.pixels, expected, rtol=1e-6)
        check_catalogue(output)
    average = (await with_option(journey, "Stacking", combine="average")).outputs[0].pixels
    (clipped,) = (await with_option(journey, "Stacking", combine="sigma-clipped")).outputs
    assert np.median(np.abs(clipped.pixels - average)) < 1.0
    (weighted,) = (await with_option(journey, "Stacking", weighting="inverse variance")).outputs
    assert np.median(weighted.pixels / (4 * average)) == pytest.approx(1.0, abs=0.01)


async def test_a_reprojected_stack_has_the_right_coordinates_and_all_the_light(journey, tour):
    run = await with_option(journey, "Stacking", stacking_mode="reproject")
    (output,) = run.outputs
    assert np.hypot(*output.star_offset_px()) < 0.1
    check_catalogue(output)
    frames = [tour.archive[item["basename"]] for item in run.inputs["input_files"]]
    light = sum(aperture(frame.header, frame.pixels()) for frame in frames)
    assert aperture(output.header, output.pixels) == pytest.approx(light, rel=0.005)


def aperture(header, pixels, radius_px=9.0):
    """Return the light of the beacon above the sky around it."""
    x, y = WCS(header, naxis=2).world_to_pixel(SkyCoord(BEACON.ra_deg, BEACON.dec_deg, unit="deg"))
    rows, columns = np.indices(pixels.shape)
    distance = np.hypot(columns - x, rows - y)
    sky = np.median(pixels[(distance > 1.3 * radius_px) & (distance < 2.0 * radius_px)])
    return float(np.sum(pixels[distance < radius_px] - sky))


async def test_alignment_puts_the_stars_on_the_pixels_of_the_first_image(journey):
    for run in await journey.completed("Alignment"):
        first, *others = run.outputs
        for output in others:
            assert np.hypot(*np.subtract(output.star_offset_px(), first.star_offset_px())) < 0.1, run
            x, y = output.wcs.world_to_pixel(first.wcs.pixel_to_world(10.0, 20.0))
            assert np.hypot(x - 10.0, y - 20.0) < 0.1
            check_catalogue(output)


@pytest.mark.parametrize(("options", "shape"), [({}, (84, 96)), ({"units": "arcsec"}, (70, 80))])
async def test_cropping_cuts_the_rectangle_out(journey, tour, options, shape):
    run = await with_option(journey, "Cropping", **options)
    for output, item in zip(run.outputs, run.inputs["input_files"], strict=True):
        rows, columns = shape
        expected = tour.archive[item["basename"]].pixels()[120 : 120 + rows, 150 : 150 + columns]
        np.testing.assert_array_equal(output.pixels, expected)
        assert np.hypot(*output.star_offset_px()) < 0.1
        check_catalogue(output, at_least=3)


async def test_cosmic_rays_are_found_and_stars_are_left_alone(journey, tour):
    for output in (await plain(journey, "Cosmic Ray Removal")).outputs:
        mask = output.extensions["CRMASK"].astype(bool)
        frame = next(frame for frame in tour.archive.frames if frame.basename in output.comment)
        truth = frame.truth
        noise = math.sqrt(truth.sky_adu_per_px)
        rows, columns = np.indices(SHAPE)
        edge = np.minimum.reduce([rows, columns, SHAPE[0] - 1 - rows, SHAPE[1] - 1 - columns])
        clear = np.all([np.hypot(columns - x, rows - y) > 8.0 for x, y in zip(truth.x, truth.y, strict=True)], axis=0)
        hit = truth.cosmic_rays & clear & (edge > 3) & (frame.pixels() > np.median(frame.pixels()) + 10.0 * noise)
        assert np.count_nonzero(mask & hit) >= 0.9 * np.count_nonzero(hit) > 0
        reached = np.argwhere(truth.cosmic_rays)
        beside = [np.abs(reached - pixel).max(axis=1).min() > 1 for pixel in np.argwhere(mask)]
        assert sum(beside) <= 0.1 * len(beside)
        np.testing.assert_array_equal(output.pixels[~mask], frame.pixels()[~mask])
        assert output.header["NCOSMIC"] == np.count_nonzero(mask)
        check_catalogue(output)
        assert np.hypot(*output.star_offset_px()) < 0.1


async def test_pixel_arithmetic_computes_the_example_of_its_own_hint(journey, tour):
    run = await plain(journey, "Pixel Arithmetic")
    assert run.inputs["expression"] == "(a - b) / median(b)"
    b = tour.archive[run.inputs["b"][0]["basename"]].pixels().astype(float)
    for output, item in zip(run.outputs, run.inputs["a"], strict=True):
        a = tour.archive[item["basename"]].pixels().astype(float)
        np.testing.assert_allclose(output.pixels, (a - b) / np.median(b), atol=1e-6)


async def test_master_frames_and_calibration_undo_what_the_camera_did(journey, tour):
    for run in await journey.completed("Master Frame"):
        (master,) = run.outputs
        kind = run.options.get("kind", "bias")
        level = {"bias": 500.0, "dark": 60 * 0.03 / 1.5, "flat": 1.0}[kind]
        assert np.median(master.pixels) == pytest.approx(level, rel=0.002, abs=0.3)
        assert (master.header["OBSTYPE"], master.header["NCOMBINE"]) == (kind.upper(), 3)
    bias, dark, flat = (tour.archive.of(kind)[0].pixels().astype(float) for kind in ("bias", "dark", "flat"))
    bright = flat - bias - (dark - bias) * 5.0 / 60.0  # the exposure times of flat and dark
    for run in await journey.completed("Calibration"):
        for output, item in zip(run.outputs, run.inputs["input_files"], strict=True):
            raw = tour.archive[item["basename"]].pixels()
            np.testing.assert_allclose(output.pixels, (raw - dark) / (bright / np.median(bright)), rtol=1e-5, atol=1e-3)
            assert np.hypot(*output.star_offset_px()) < 0.1
            check_catalogue(output)


async def test_source_extraction_measures_the_stars_anew(journey):
    (output,) = (await plain(journey, "Source Extraction")).outputs
    check_catalogue(output)
    there = SkyCoord(output.catalogue["ra"], output.catalogue["dec"], unit="deg")
    near, apart, _ = SkyCoord(BEACON.ra_deg, BEACON.dec_deg, unit="deg").match_to_catalog_sky(there)
    assert apart.arcsec[0] < 0.1
    assert output.catalogue["mag"][int(near)] == pytest.approx(BEACON.magnitude, abs=0.02)


async def test_plate_solving_finds_the_coordinates_again(journey, tour):
    run = await plain(journey, "Plate Solving")
    (output,) = run.outputs
    true = WCS(tour.archive[run.inputs["input_files"][0]["basename"]].header)
    x, y = np.array([0, SHAPE[1], 0, SHAPE[1]]), np.array([0, 0, SHAPE[0], SHAPE[0]])
    assert true.pixel_to_world(x, y).separation(output.wcs.pixel_to_world(x, y)).arcsec.max() < 0.1
    check_catalogue(output)


async def test_a_colour_picture_has_its_colours_and_its_cube(journey, tour):
    run = await plain(journey, "Color Image")
    (item,) = run.operation["output"]["output_files"]
    (cube,) = run.outputs
    assert item["type"] == "image"
    channels = run.inputs["color_channels"]
    assert [channel["color"] for channel in channels] == [{"r": 255, "g": 0, "b": 0}, {"r": 0, "g": 255, "b": 0}]
    assert cube.pixels.shape == (2, *SHAPE)
    assert [cube.header[f"PLANE{n}"].split()[0] for n in (1, 2)] == [channel["filter"] for channel in channels]
    picture = np.asarray(Picture.open(BytesIO(await tour.alice.download(item["tif_url"]))))
    assert picture.shape == (*SHAPE, 3)
    assert picture[..., :2].max(axis=(0, 1)).tolist() == [255, 255]
    assert picture[..., 2].max() == 0  # no channel is blue
    # The first row of an image is at the bottom of the picture; aligned channels show a star in the same place.
    x, y = WCS(cube.header, naxis=2).world_to_pixel(SkyCoord(BEACON.ra_deg, BEACON.dec_deg, unit="deg"))
    box = picture[SHAPE[0] - 1 - round(float(y)), round(float(x))]
    assert min(box[:2]) > 200


# --- light curves ---------------------------------------------------------------------------------------------------


def frame_of(row):
    """Return the name of a point's frame, which clients find behind that of its telescope."""
    telescope, _, basename = row["fits_path"].rpartition("/")
    assert telescope
    return basename


def errors_of(run, star, tour):
    """Return measured minus true magnitude of every point."""
    return [row["mag"] - true_magnitude(tour.archive[frame_of(row)], star) for row in run.data["light_curve"]]


def true_magnitude(frame, star):
    return frame.truth.magnitude[frame.truth.index(star.name)]


def check_julian_dates(run, tour):
    """Dates are the middles of the exposures, in rising order."""
    rows = run.data["light_curve"]
    assert all(one["julian_date"] < other["julian_date"] for one, other in itertools.pairwise(rows))
    for row in rows:
        header = tour.archive[frame_of(row)].header
        assert row["observation_date"] == f"{header['DATE-OBS']}Z"
        middle = header["MJD-OBS"] + header["EXPTIME"] / 2 / 86_400 + 2_400_000.5
        assert row["julian_date"] == pytest.approx(middle, abs=1e-6)


@pytest.mark.parametrize("name", ["Light Curve", "Variable Star"])
async def test_light_curve_of_the_variable_star(journey, tour, name):
    run = await plain(journey, name)
    data = run.data
    assert (data["filter"], data["flux_fallback"], data["excluded_images"]) == ("rp", False, [])
    assert data["source"] == source_of(VARIABLE)
    assert len(data["light_curve"]) == len(run.inputs["input_files"]) == 15
    check_julian_dates(run, tour)
    errors = errors_of(run, VARIABLE, tour)
    assert max(map(abs, errors)) < 0.03
    quoted = [row["magerr"] for row in data["light_curve"]]
    assert statistics.stdev(errors) == pytest.approx(statistics.mean(quoted), rel=0.6)
    magnitudes = [row["mag"] for row in data["light_curve"]]
    assert max(magnitudes) - min(magnitudes) == pytest.approx(2 * AMPLITUDE_MAG, abs=0.05)


async def test_light_curve_names_its_target(journey):
    assert (await plain(journey, "Light Curve")).data["target_coords"] == source_of(VARIABLE)


@pytest.mark.parametrize("name", ["Variable Star", "Aperture Photometry"])
async def test_period_of_the_variable_star(journey, name):
    data = (await plain(journey, name)).data
    assert data["period"] == pytest.approx(PERIOD_DAYS, rel=0.01)
    assert 0 <= data["fap"] < 1e-6
    assert len(data["frequency"]) == len(data["power"]) == len(data["window_power"]) > 100
    assert 1 / data["frequency"][np.argmax(data["power"])] == pytest.approx(data["period"])  # clients fold at this one
    peak, double = data["period_candidates"]
    assert (peak["kind"], double["kind"]) == ("peak", "double")
    assert (peak["period"], double["period"]) == (data["period"], pytest.approx(2 * data["period"]))


@pytest.mark.parametrize(
    ("name", "star", "tolerance_mag"),
    [
        ("Aperture Photometry", VARIABLE, 0.03),
        ("Non-Sidereal Aperture Photometry", ASTEROID, 0.1),
        ("Moving Target Aperture Photometry", ASTEROID, 0.1),
    ],
)
async def test_aperture_light_curves(journey, tour, name, star, tolerance_mag):
    run = await plain(journey, name)
    data = run.data
    assert set(data) >= APERTURE_KEYS
    assert data["filter"] == "rp"
    assert len(data["light_curve"]) == len(run.inputs["input_files"])
    assert {frozenset(row) for row in data["light_curve"]} == {frozenset(APERTURE_ROW_KEYS)}
    check_julian_dates(run, tour)
    assert max(map(abs, errors_of(run, star, tour))) < tolerance_mag
    assert abs(statistics.median(errors_of(run, star, tour))) < 0.02
    place = SkyCoord(data["source"]["ra"], data["source"]["dec"], unit="deg")
    assert place.separation(SkyCoord(*first_place(star, tour), unit="deg")).arcsec < 1.0
    for row in data["light_curve"]:
        truth = tour.archive[frame_of(row)].truth
        index = truth.index(star.name)  # pixels of apertures cover [i, i + 1)
        assert row["target_centroid_x"] == pytest.approx(truth.x[index] + 0.5, abs=0.2)
        assert row["target_centroid_y"] == pytest.approx(truth.y[index] + 0.5, abs=0.2)


def first_place(star, tour):
    if star is ASTEROID:
        return ASTEROID.position_at(tour.archive.of("asteroid")[0].truth.mid_exposure)
    return star.ra_deg, star.dec_deg


@pytest.mark.parametrize(
    "name", ["Aperture Photometry", "Non-Sidereal Aperture Photometry", "Moving Target Aperture Photometry"]
)
async def test_diagnostics_of_apertures(journey, tour, name):
    data = (await plain(journey, name)).data
    names = {frame_of(row) for row in data["light_curve"]}
    assert set(data["diagnostics"]) == set(data["diagnostic_images"]) == names
    stars = {star["candidate_id"]: star for star in data["selected_comparison_stars"]}
    assert 5 <= len(stars) <= 10
    for lines in data["diagnostics"].values():
        assert sum(line.startswith(HEADING) for line in lines) == 1
        fields = [line.removeprefix(STAR_ROW).split("|") for line in lines if line.startswith(STAR_ROW)]
        assert {len(each) for each in fields} == {7}
        used = {each[0].strip() for each in fields}
        assert used <= set(stars)  # less those that a cosmic ray hit in this frame
        assert len(used) >= 5
    link = data["diagnostic_images"][min(names)]
    overlay = Picture.open(BytesIO(await tour.alice.download(link)))
    assert (overlay.format, max(overlay.size)) == ("JPEG", 1500)
    for star in stars.values():
        assert star["reference_magnitude_source"] == "second_hdu"
        assert set(star["source_catalog_by_frame"]) <= names


async def test_the_moving_target_is_found_along_its_track(journey):
    data = (await plain(journey, "Moving Target Aperture Photometry")).data
    assert "Located the target in the catalog of 12 of 12 frames." in data["pipeline_diagnostics"]
    assert data["track_search_radius"] == 10.0
    assert [set(position) for position in data["target_positions"]] == [{"mjd", "ra_deg", "dec_deg"}] * 2


async def test_hr_diagram_tells_the_cluster_from_the_field(journey, tour):
    run = await plain(journey, "HR Diagram")
    data = run.data
    assert data["cluster"] == cluster() | {"radius_arcmin": 15.0}
    assert (data["blue_filter"], data["red_filter"], data["mag_band"]) == ("gp", "rp", "rp")
    # The form had chosen every image of one filter; the first is what counts.
    assert [len(run.inputs[key]) for key in ("blue_filter_files", "red_filter_files")] == [1, 1]
    stars = [row for row in data["cmd"] if not row["gaia_only"]]
    assert len(stars) == data["n_stars"] > 50
    assert sum(row["gaia_match"] for row in stars) == data["n_gaia_matched"] > 50
    assert len(data["cmd"]) - len(stars) == data["n_gaia_only"]
    matched = [row for row in stars if row["gaia_match"]]
    places = SkyCoord([row["ra"] for row in matched], [row["dec"] for row in matched], unit="deg")
    catalogue = SkyCoord(
        [each.star.ra_deg for each in FIELD_STARS], [each.star.dec_deg for each in FIELD_STARS], unit="deg"
    )
    index, apart, _ = places.match_to_catalog_sky(catalogue)
    assert apart.arcsec.max() < 0.5
    pairs = [(row, FIELD_STARS[number]) for row, number in zip(matched, index, strict=True)]
    # A cosmic ray may spoil a star or two.
    assert share(abs(row["color"] - known.star.colour_g_r) < 0.05 for row, known in pairs) > 0.9
    assert share(abs(row["mag"] - known.star.magnitude) < 0.05 for row, known in pairs) > 0.95
    assert share(row["member"] == known.is_member for row, known in pairs) > 0.95
    assert len(tour.gaia.queries) > 0


def share(conditions):
    """Return the part of the conditions that are met."""
    return statistics.mean(map(float, conditions))


# --- chains ---------------------------------------------------------------------------------------------------------


async def test_a_median_of_normalized_images(journey, tour):
    run = await plain(journey, "Normalization")
    form = Form(journey.descriptions["Median"], []).fill(input_files=output_items(run.operation))
    made = await tour.alice.made(run.session, "Median", form.posted())
    (output,) = await opened_outputs(tour.alice, made, journey.checksums)
    np.testing.assert_allclose(output.pixels, np.median([each.pixels for each in run.outputs], axis=0), rtol=1e-6)
    assert ("filter" in output.item, output.header["FILTER"]) == (False, "gp")
    assert len(output.comment) > len("Datalab Median on ")
    # Nothing of what the user interface sends along is stored.
    assert {key for item in input_files(made) for key in item}.isdisjoint(
        {"operationInputData", "largeCachedUrl", "large_url", "url"}
    )


async def test_photometry_on_the_sources_extracted_from_a_stack(journey, tour):
    """Everything is posted at once; each operation waits for the one before, and starts by itself."""
    client = tour.alice
    session = await client.new_session("chain", [])
    frames = STOPS["Stacking"].known(tour.archive, {})["input_files"]
    async with client.waiting_for_all([session]) as started:

        async def start(name, **values):
            form = Form(journey.descriptions[name], []).fill(**values)
            started.append(await client.start(session, name, form.posted()))
            return [{"source": "datalab", "operation": started[-1]}]

        stack = await start("Stacking", input_files=frames, stacking_mode="reproject", combine="average")
        sources = await start("Source Extraction", input_files=stack)
        shown = await client.operation(session, started[1])
        await start("Light Curve", source=source_of(BEACON), input_files=sources)
        await start("Aperture Photometry", source=source_of(BEACON), input_files=sources)
    assert shown["status"] in {"PENDING", "IN_PROGRESS", "COMPLETED"}
    stacking, extraction, *measurements = [await client.operation(session, number) for number in started]
    await opened_outputs(client, stacking, journey.checksums)
    (extracted,) = await opened_outputs(client, extraction, journey.checksums)
    assert "filter" not in extracted.item  # so that no wizard begins with it beside the frames it was made of
    for operation in measurements:
        assert operation["status"] == "COMPLETED", operation["message"]
        assert [item["basename"] for item in operation["input_data"]["input_files"]] == [extracted.basename]
        (data,) = operation["output"]["output_data"]
        (row,) = data["light_curve"]
        assert row["mag"] == pytest.approx(BEACON.magnitude, abs=0.03)


async def test_an_operation_whose_parent_fails_says_so(journey, tour):
    client = tour.alice
    session = await client.new_session("broken chain", [])
    frames = STOPS["Cropping"].known(tour.archive, {})["input_files"]
    form = Form(journey.descriptions["Cropping"], []).fill(input_files=frames, x_start=SHAPE[1])
    parent = await client.start(session, "Cropping", form.posted())
    outputs = [{"source": "datalab", "operation": parent}]
    child = await client.start(session, "Median", {"input_files": outputs})
    failed = await client.ended(session, child)
    assert failed["status"] == "FAILED"
    assert failed["message"].startswith(
        f"Operation {parent} (Cropping), whose output this operation needs, failed: Not one of the 2 input files could "
        "be used. The rectangle of columns "
    )


async def test_an_equal_request_gets_what_was_made_before(journey, tour):
    """Links and other noise do not make it another request."""
    run = await plain(journey, "Median")
    again = [
        item | {"url": "https://archive.example/signed-anew", "largeCachedUrl": "blob:other"}
        for item in reversed(run.inputs["input_files"])
    ]
    made = await tour.alice.made(run.session, "Median", {"input_files": again})
    one, other = (operation["output"]["output_files"][0]["basename"] for operation in (run.operation, made))
    assert one == other
    assert made["id"] != run.number


async def test_magnitudes_that_are_not_defined_are_null_and_break_no_list(journey, tour):
    """Where there is nothing, half of the counts are below zero. The reference then answered every list with 500."""
    client = tour.alice
    ra, dec = ASTEROID.position_at(tour.archive.of("asteroid")[6].truth.mid_exposure)  # it is there on that night only
    frames = [frame.session_item() for frame in tour.archive.of("colours", filter_name="rp")]
    form = Form(journey.descriptions["Aperture Photometry"], frames).fill(source={"ra": ra, "dec": dec})
    session = await client.new_session("nothing there", frames)
    made = await client.made(session, "Aperture Photometry", form.posted())
    rows = made["output"]["output_data"][0]["light_curve"]
    undefined = [row for row in rows if row["target_net_source_counts"] <= 0]
    assert 0 < len(undefined) < len(rows) == len(frames)
    assert {row["mag"] for row in undefined} == {None}
    shown = await client.get(f"datasessions/{session}/")
    assert [operation["id"] for operation in shown["operations"]] == [made["id"]]
    listed = await client.get("datasessions/?limit=1000")
    assert session in {each["id"] for each in listed["results"]}


# --- the forms ------------------------------------------------------------------------------------------------------


async def test_every_form_can_be_drawn_and_filled(journey):
    for name, described in journey.descriptions.items():
        form = Form(described, [])
        assert set(described) == {"name", "description", "category", "inputs"}
        assert (described["name"], described["category"]) == (name, "image")
        assert all(each["name"] and each["description"] for each in described["inputs"].values()), name
        for key, options in form.selects.items():
            assert described["inputs"][key].get("default", options[0]) in options


@pytest.mark.parametrize("name", REFERENCE_FORMS)
async def test_forms_of_the_reference_begin_as_they_were(journey, name):
    wanted = REFERENCE_FORMS[name].split()
    assert list(journey.descriptions[name]["inputs"])[: len(wanted)] == wanted


async def test_no_operation_is_left_out(journey):
    assert set(journey.descriptions) == set(STOPS) > set(REFERENCE_FORMS)
    shown = list(journey.descriptions)
    assert shown[: len(REFERENCE_FORMS)] == list(REFERENCE_FORMS)  # clients preselect the first
    assert shown[len(REFERENCE_FORMS) :] == sorted(set(shown) - set(REFERENCE_FORMS))
