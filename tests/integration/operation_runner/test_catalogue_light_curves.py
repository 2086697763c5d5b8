"""Light Curve and Variable Star on real files."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from datalab.astro.ephemeris.barycentre import barycentric_jd
from datalab.errors import UsageError
from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import write_fits
from datalab.simulation.sky import Sinusoid, Star, StarField
from operation_runner.operations.light_curve import LightCurve
from operation_runner.operations.variable_star import VariableStar
from support.fits_files import image_header, pixels
from support.operations import run

SOURCE = {"name": "The star", "ra": 202.47, "dec": 47.2}
PERIOD_DAYS, AMPLITUDE_MAG, MEAN_MAG = 0.1, 0.3, 13.4
COLUMNS = ("ra", "dec", "mag", "magerr")


def frame(folder, number, *, mag=13.0, magerr=0.01, offset_arcsec=0.5, without=(), **cards):
    """Write a small frame whose catalogue has the star; a column or the whole table can be left out."""
    header = image_header(**{"DATE-OBS": f"2026-05-04T22:{number:02d}:00.000"} | cards)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels(), header, name="SCI")]
    if "CAT" not in without:
        rows = Table(
            {
                "ra": [SOURCE["ra"], SOURCE["ra"] + 0.02],
                "dec": [SOURCE["dec"] + offset_arcsec / 3600, SOURCE["dec"]],
                "mag": [mag, 11.0],
                "magerr": [magerr, 0.001],
            }
        )
        rows.remove_columns([name for name in without if name in COLUMNS])
        hdus.append(fits.BinTableHDU(rows, name="CAT"))
    path = folder / f"tst0m4-cam01-20260504-{number:04d}-e91.fits"
    fits.HDUList(hdus).writeto(path)
    return path


def name(path):
    return path.name.split(".")[0]


def light_curve(files, tmp_path, **further):
    return run(LightCurve(), {"source": SOURCE, "input_files": files}, work_dir=tmp_path / "work", **further)


@pytest.fixture(scope="module")
def variable_star_frames(tmp_path_factory):
    """Two nights of a variable star that each frame measures with a signal to noise of about 100."""
    folder = tmp_path_factory.mktemp("variable")
    observatory = SimulatedObservatory(camera=Camera(rows=96, columns=96), seed=4)
    evening = date(2026, 3, 14)
    centre = observatory.demonstration_field(evening, n_stars=1)
    swing = Sinusoid(period_days=PERIOD_DAYS, amplitude_mag=AMPLITUDE_MAG)
    star = Star(
        name="star",
        ra_deg=centre.centre_ra_deg,
        dec_deg=centre.centre_dec_deg,
        magnitude=MEAN_MAG,
        variability=swing,
    )
    field = StarField(centre_ra_deg=star.ra_deg, centre_dec_deg=star.dec_deg, stars=(star,))
    paths = []
    for night in range(2):
        plan = NightPlan(
            evening=evening + timedelta(days=night), n_exposures=25, exposure_s=10.0, cadence_s=1000.0 + 31.0 * night
        )
        for exposure in observatory.exposures(plan, field):
            paths.append(folder / f"{exposure.identity.base_name}-EX00.fits")
            write_fits(exposure, paths[-1], compression="none")
    return star, paths


def test_the_period_and_amplitude_of_a_simulated_variable_are_found(variable_star_frames, tmp_path):
    star, paths = variable_star_frames
    source = {"ra": star.ra_deg, "dec": star.dec_deg}
    outcome = run(VariableStar(), {"source": source, "input_files": paths}, work_dir=tmp_path, processes=2)
    content = outcome.content
    assert len(content["light_curve"]) == len(paths)
    times, magnitudes, errors = (
        np.array([row[key] for row in content["light_curve"]]) for key in ("julian_date", "mag", "magerr")
    )
    assert 0.005 < np.median(errors) < 0.02  # what is asked for is a signal to noise of 100

    assert content["period"] == pytest.approx(PERIOD_DAYS, rel=1e-3)
    assert content["fap"] < 1e-6
    assert len(content["frequency"]) == len(content["power"]) == len(content["window_power"]) > 100
    phase = 2 * math.pi * (times - times[0]) / content["period"]
    design = np.stack([np.ones_like(phase), np.sin(phase), np.cos(phase)], axis=1)
    (mean, sine, cosine), *_ = np.linalg.lstsq(design, magnitudes, rcond=None)
    assert math.hypot(sine, cosine) == pytest.approx(AMPLITUDE_MAG, abs=0.01)
    assert mean == pytest.approx(MEAN_MAG, abs=0.01)
    fractions = [fraction for fraction, _ in outcome.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_output_has_what_clients_read(tmp_path):
    files = [frame(tmp_path, number, mag=13.0 + number / 10) for number in (0, 1, 2)]
    content = light_curve(files, tmp_path).content
    known = ["target_coords", "light_curve", "flux_fallback", "excluded_images", "source", "filter"]
    assert list(content) == [*known, "notes"]
    assert content["notes"] == []
    assert content["target_coords"] == content["source"] == SOURCE
    assert content["flux_fallback"] is False
    assert content["excluded_images"] == []
    assert content["filter"] == "rp"
    first = content["light_curve"][0]
    middle = Time("2026-05-04T22:00:00", scale="utc").jd + 12.5 / 2 / 86400
    assert first == {
        "mag": 13.0,
        "magerr": 0.01,
        "julian_date": pytest.approx(middle, abs=1e-8),
        "bjd_tdb": pytest.approx(barycentric_jd(middle, SOURCE["ra"], SOURCE["dec"]), abs=1e-8),
        "observation_date": "2026-05-04T22:00:00.000Z",
        "fits_path": "tst0m4-cam01-20260504-0000-e91",
        "filter": "rp",
    }
    assert [row["mag"] for row in content["light_curve"]] == pytest.approx([13.0, 13.1, 13.2])


@pytest.mark.parametrize(
    ("telescope", "prefix"),
    [("0m4a", "0m4a/"), ("1m0-01", "1m0-01/"), (None, ""), ("../../etc", ""), ("a b", ""), ("x" * 60, "")],
)
def test_clients_read_the_telescope_before_the_name_of_a_frame(tmp_path, telescope, prefix):
    path = frame(tmp_path, 0, TELID=telescope)
    (row,) = light_curve([path], tmp_path).content["light_curve"]
    assert row["fits_path"] == prefix + name(path)


def test_rows_are_in_order_of_time_whatever_the_files_are_called(tmp_path):
    late = frame(tmp_path, 1, mag=13.1, **{"DATE-OBS": "2026-05-05T01:00:00"})
    early = frame(tmp_path, 2, mag=13.2)
    rows = light_curve([late, early], tmp_path).content["light_curve"]
    assert [row["mag"] for row in rows] == [13.2, 13.1]


def test_frames_that_do_not_know_the_source_are_named(tmp_path):
    good = frame(tmp_path, 0)
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(b"not FITS")
    bad = [
        damaged,
        frame(tmp_path, 1, without=("CAT",)),
        frame(tmp_path, 2, without=("mag",)),
        frame(tmp_path, 3, without=("magerr",)),
        frame(tmp_path, 4, without=("ra",)),
        frame(tmp_path, 5, offset_arcsec=6.0),
        frame(tmp_path, 6, mag=float("nan")),
        frame(tmp_path, 7, **{"DATE-OBS": None}),
        frame(tmp_path, 8, **{"DATE-OBS": "last night"}),
    ]
    content = light_curve([good, *bad], tmp_path).content
    assert [row["fits_path"] for row in content["light_curve"]] == [name(good)]
    assert content["excluded_images"] == sorted(name(path) for path in bad)
    own = [note for note in content["notes"] if note.startswith("Skipped")]  # others are on what headers say
    assert [note.partition(":")[0] for note in own] == [f"Skipped {file}" for file in content["excluded_images"]]


def test_magnitudes_of_two_filters_are_not_one_light_curve(tmp_path):
    with pytest.raises(UsageError, match=r"Light Curve requires images of one filter, but the images are of gp, rp"):
        light_curve([frame(tmp_path, 0), frame(tmp_path, 1, FILTER="gp")], tmp_path)


def test_a_frame_whose_filter_is_not_known_is_named(tmp_path):
    content = light_curve([frame(tmp_path, 0), frame(tmp_path, 1, FILTER=None)], tmp_path).content
    assert any("is not known; rp was assumed" in note for note in content["notes"])


def test_no_frame_that_knows_the_source_is_a_failure(tmp_path):
    with pytest.raises(UsageError, match=r"^No extractable photometry data found for this source\.$"):
        light_curve([frame(tmp_path, 0, offset_arcsec=60.0)], tmp_path)


def test_an_unknown_filter_is_the_word_clients_know(tmp_path):
    content = light_curve([frame(tmp_path, 0, FILTER=None), frame(tmp_path, 1, FILTER="N/A")], tmp_path).content
    assert content["filter"] == "None"
    assert [row["filter"] for row in content["light_curve"]] == ["None", "None"]


def test_the_filter_is_the_first_that_a_header_names(tmp_path):
    content = light_curve([frame(tmp_path, 0, FILTER=None), frame(tmp_path, 1, FILTER="ip")], tmp_path).content
    assert content["filter"] == "ip"


def test_an_unknown_error_is_null(tmp_path):
    content = light_curve([frame(tmp_path, 0, magerr=float("nan"))], tmp_path).content
    assert content["light_curve"][0]["magerr"] is None


def test_one_process_and_several_give_the_same(tmp_path):
    files = [frame(tmp_path, number, mag=13 + math.sin(number)) for number in range(12)]
    one, several = (light_curve(files, tmp_path / str(n), processes=n).content for n in (1, 3))
    assert one == several


def test_seven_points_are_too_few_for_a_period(tmp_path):
    files = [frame(tmp_path, number) for number in range(7)] + [frame(tmp_path, 7, without=("CAT",))]
    with pytest.raises(UsageError, match=r"^Only found extractable photometry data in 7 inputs - "):
        run(VariableStar(), {"source": SOURCE, "input_files": files}, work_dir=tmp_path / "work")


def test_a_star_without_a_period_still_has_a_light_curve(tmp_path):
    files = [frame(tmp_path, number) for number in range(8)]
    content = run(VariableStar(), {"source": SOURCE, "input_files": files}, work_dir=tmp_path / "work").content
    assert len(content["light_curve"]) == 8
    assert {key: content[key] for key in ("period", "fap", "frequency", "power")} == {
        "period": None,
        "fap": None,
        "frequency": [],
        "power": [],
    }
