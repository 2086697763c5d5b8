"""Master Frame and Calibration on a raw night of the simulator, whose linear light is the truth."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import write_fits as write_exposure
from operation_runner.operations.calibration import Calibration
from operation_runner.operations.master_frame import MasterFrame
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import write_fits

CAMERA = Camera(rows=160, columns=240, hot_pixel_fraction=1e-3, full_well_e=60_000.0)
EXPOSURE_S = 60.0
FRAMES = 12


@dataclass
class Night:
    """The files of a raw night by OBSTYPE, the exposures they hold, and the masters made of them."""

    folder: Path
    files: dict
    exposures: dict

    def master(self, kind, files, **more):
        outcome = run(MasterFrame(), {"input_files": files, "kind": kind} | more, work_dir=self.folder / f"make-{kind}")
        return shutil.copy(outcome.fits(), self.folder / f"master{kind}.fits")

    def all_masters(self):
        return {
            "bias_file": [self.bias],
            "dark_file": [self.dark],
            "flat_file": [self.flat],
        }


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    observatory = SimulatedObservatory(camera=CAMERA, seed=4)
    plan = NightPlan(n_exposures=2, n_calibrations=FRAMES, exposure_s=EXPOSURE_S, reduced=False, filters=("rp",))
    files, exposures = {}, {}
    for exposure in observatory.exposures(plan):
        path = folder / f"{exposure.identity.base_name}.fits.fz"
        write_exposure(exposure, path)
        files.setdefault(exposure.header["OBSTYPE"], []).append(path)
        exposures[path] = exposure
    made = Night(folder, files, exposures)
    made.bias = made.master("bias", files["BIAS"])
    made.dark = made.master("dark", files["DARK"], bias_file=[made.bias])
    made.flat = made.master("flat", files["SKYFLAT"], bias_file=[made.bias], dark_file=[made.dark])
    return made


def science(path):
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        return hdus["SCI"].data, hdus["SCI"].header


def relative_flat():
    return CAMERA.flat / np.median(CAMERA.flat)


def linear_light(exposure):
    """What the pixels would be without the camera's patterns: only the noise of the exposure itself is in it."""
    dark = CAMERA.dark_rate_e_per_s * EXPOSURE_S / CAMERA.gain_e_per_adu
    return (exposure.pixels - CAMERA.bias_level_adu - dark) / relative_flat()


def test_masters_are_the_patterns_of_the_camera(night):
    bias, header = science(night.bias)
    read_noise_adu = CAMERA.read_noise_e / CAMERA.gain_e_per_adu
    expected_noise = read_noise_adu / np.sqrt(FRAMES)
    difference = bias - CAMERA.bias_level_adu
    assert np.mean(difference) == pytest.approx(0.0, abs=0.05)
    assert np.std(difference) == pytest.approx(expected_noise, rel=0.1)
    assert (header["OBSTYPE"], header["NCOMBINE"]) == ("BIAS", FRAMES)

    dark, header = science(night.dark)
    expected = CAMERA.dark_rate_e_per_s * EXPOSURE_S / CAMERA.gain_e_per_adu
    assert np.median(dark - expected) == pytest.approx(0.0, abs=0.1)
    hot = expected > 100.0
    np.testing.assert_allclose(dark[hot], expected[hot], rtol=0.1)
    assert (header["OBSTYPE"], header["EXPTIME"], header["ZEROCOR"]) == ("DARK", EXPOSURE_S, "masterbias")

    flat, header = science(night.flat)
    assert np.median(flat) == pytest.approx(1.0, abs=1e-6)
    ratio = flat / relative_flat()
    assert np.mean(ratio) == pytest.approx(1.0, abs=2e-4)
    # The flats have 40 % of 60,000 electrons each.
    assert np.std(ratio) == pytest.approx(1.0 / np.sqrt(FRAMES * 0.4 * 60_000), rel=0.15)
    assert (header["OBSTYPE"], header["FILTER"], header["DARKCOR"]) == ("FLAT", "rp", "masterdark")
    assert "BUNIT" not in header


def test_a_calibrated_night_is_the_light_that_came_in(night):
    made = run(
        Calibration(),
        {"input_files": night.files["EXPOSE"]} | night.all_masters(),
        work_dir=night.folder / "calibrated",
    )
    assert len(made.products) == 2
    for number, path in enumerate(night.files["EXPOSE"]):
        pixels, header = science(made.fits(number))
        exposure = night.exposures[path]
        truth = linear_light(exposure)
        usable = exposure.pixels < exposure.header["SATURATE"]
        error = (pixels - truth)[usable]
        bias_noise = CAMERA.read_noise_e / CAMERA.gain_e_per_adu / np.sqrt(FRAMES)
        assert np.median(error) == pytest.approx(0.0, abs=0.1)
        # Bias and dark are both in it, and the noise of the flat on the sky.
        assert 1.4826 * np.median(np.abs(error)) < 1.6 * bias_noise
        bright = usable & (truth > 1000.0)
        assert np.count_nonzero(bright) > 20
        assert np.mean(pixels[bright] / truth[bright]) == pytest.approx(1.0, abs=1e-3)
        assert (header["ZEROCOR"], header["DARKCOR"], header["FLATCOR"]) == ("masterbias", "masterdark", "masterflat")
        assert header["GAIN"] == CAMERA.gain_e_per_adu
        assert (pixels[~usable] >= header["SATURATE"]).all()
        assert np.count_nonzero(pixels >= header["SATURATE"]) <= np.count_nonzero(~usable) + 5
        assert len(fits.getdata(made.fits(number), "CAT")) == len(exposure.catalogue)
    assert made.products[0].filter_name == "rp"


def test_one_process_or_two_make_the_same(night):
    parameters = {"input_files": night.files["EXPOSE"]} | night.all_masters()
    one = run(Calibration(), parameters, work_dir=night.folder / "one", processes=1)
    two = run(Calibration(), parameters, work_dir=night.folder / "two", processes=2)
    for number in range(2):
        np.testing.assert_array_equal(science(one.fits(number))[0], science(two.fits(number))[0])
    flats = {"input_files": night.files["SKYFLAT"], "kind": "flat", "bias_file": [night.bias], "combine": "median"}
    one = run(MasterFrame(), flats, work_dir=night.folder / "one-flat", processes=1)
    two = run(MasterFrame(), flats, work_dir=night.folder / "two-flat", processes=2)
    np.testing.assert_array_equal(science(one.fits())[0], science(two.fits())[0])
    fractions = [fraction for fraction, _ in two.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def calibrate(path, work_dir, **masters):
    return science(run(Calibration(), {"input_files": [path]} | masters, work_dir=work_dir).fits())


def camera_file(path, pixels, **cards):
    header = {"EXPTIME": 60.0, "FILTER": "rp", "CCDXBIN": 1, "CCDYBIN": 1}
    header = {name: value for name, value in (header | cards).items() if value is not None}
    return write_fits(path, pixels, header=header)


@pytest.fixture
def bench(tmp_path):
    """Files of a camera of four by five pixels with exact numbers: light 1000, bias 100, 1 count of dark a second."""

    def make(name, level, **cards):
        return camera_file(tmp_path / f"{name}.fits", np.full((4, 5), level, np.float32), **cards)

    make.folder = tmp_path
    make.image = make("image", 1000.0 * 2.0 + 100.0 + 60.0)
    make.bias = make("bias", 100.0, EXPTIME=0.0)
    make.dark = make("dark", 100.0 + 120.0, EXPTIME=120.0)
    return make


def test_the_dark_is_scaled_to_the_exposure_of_the_image(bench):
    pixels, header = calibrate(bench.image, bench.folder / "w", bias_file=[bench.bias], dark_file=[bench.dark])
    assert (pixels == 2000.0).all()
    assert header["DARKSCAL"] == 0.5
    pixels, header = calibrate(
        bench.image, bench.folder / "w2", bias_file=[bench.bias], dark_file=[bench.dark], scale_dark="no"
    )
    assert (pixels == 1940.0).all()
    assert header["DARKSCAL"] == 1.0


def test_a_dark_of_the_same_exposure_takes_the_bias_along(bench):
    same = bench("same", 160.0)
    pixels, header = calibrate(bench.image, bench.folder / "w", dark_file=[same])
    assert (pixels == 2000.0).all()
    assert header["ZEROCOR"] == "same"
    with pytest.raises(UsageError, match="120 s, image for 60 s: to scale the dark current, the bias must be known"):
        calibrate(bench.image, bench.folder / "w2", dark_file=[bench.dark])


def test_a_raw_flat_is_freed_from_bias_and_dark_first(bench):
    counts = np.full((4, 5), 10_000.0 + 100.0 + 5.0, np.float32)
    counts[0, 0], counts[1, 1] = 20_000.0 + 105.0, 50.0
    flat = camera_file(bench.folder / "flat.fits", counts, EXPTIME=5.0)
    pixels, _ = calibrate(
        bench.image, bench.folder / "w", bias_file=[bench.bias], dark_file=[bench.dark], flat_file=[flat]
    )
    assert pixels[2, 2] == pytest.approx(2000.0)
    assert pixels[0, 0] == pytest.approx(1000.0)
    assert np.isnan(pixels[1, 1])
    assert np.count_nonzero(np.isnan(pixels)) == 1


def test_a_normalised_flat_is_used_as_it_is(bench):
    flat = bench("flat", 0.5)
    pixels, _ = calibrate(bench.image, bench.folder / "w", bias_file=[bench.bias], flat_file=[flat])
    assert (pixels == 2060.0).all()  # relative to its median


@pytest.mark.parametrize(
    ("masters", "said"),
    [
        ({}, "Operation Calibration requires a bias, a dark or a flat frame."),
        ({"bias_file": ("wide", {"EXPTIME": 0.0})}, "The bias wide has 6 x 4 pixels, image has 5 x 4"),
        ({"bias_file": ("binned", {"CCDXBIN": 2, "EXPTIME": 0.0})}, "The bias binned is binned 2 x 1, image 1 x 1"),
        (
            {"flat_file": ("blue", {"FILTER": "B", "ZEROCOR": "x"})},
            "The flat blue was taken in the filter B, image in rp",
        ),
        ({"flat_file": ("raw", {})}, "The flat raw still contains the bias: choose a bias frame too"),
        (
            {"flat_file": ("free", {"ZEROCOR": "x"})},
            "image still contains the bias, which must not be divided by a flat",
        ),
        ({"dark_file": ("timeless", {"EXPTIME": None})}, "timeless does not state its exposure time"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(bench, masters, said):
    files = {}
    for field, (name, cards) in masters.items():
        pixels = np.full((4, 6 if name == "wide" else 5), 1000.0, np.float32)
        files[field] = [camera_file(bench.folder / f"{name}.fits", pixels, **cards)]
    with pytest.raises(UsageError, match=said):
        calibrate(bench.image, bench.folder / "w", **files)


def test_nothing_is_corrected_twice(bench):
    done = bench("done", 2000.0, ZEROCOR="bias")
    with pytest.raises(UsageError, match="done has been corrected with a bias already"):
        calibrate(done, bench.folder / "w", bias_file=[bench.bias])


@pytest.mark.parametrize(
    ("kind", "second", "more", "said"),
    [
        ("dark", {"EXPTIME": 30.0}, {}, "The darks were exposed for 30, 60 s"),
        ("dark", {"EXPTIME": None}, {}, "two does not state its exposure time"),
        ("flat", {"FILTER": "B"}, {}, "The flats were taken in B, rp"),
        ("flat", {}, {}, "The flat one still contains the bias"),
        ("bias", {"OBSTYPE": "EXPOSE"}, {}, "two is not a bias frame: its header says EXPOSE"),
        ("flat", {"OBSTYPE": "DARK"}, {}, "two is not a flat frame: its header says DARK"),
        ("bias", {}, {"bias_file": True}, "A bias frame is subtracted from darks and flats"),
        ("bias", {}, {"dark_file": True}, "A dark frame is subtracted from flats only"),
        ("bias", {"CCDXBIN": 2}, {}, "The bias two is binned 2 x 1, one 1 x 1"),
    ],
)
def test_frames_that_are_not_alike_are_refused_in_words(bench, kind, second, more, said):
    exposed = {"EXPTIME": 0.0} if kind == "bias" else {}
    files = [bench("one", 1000.0, **exposed), bench("two", 1000.0, **exposed | second)]
    given = {field: [bench.bias] for field in more}
    with pytest.raises(UsageError, match=said):
        run(MasterFrame(), {"input_files": files, "kind": kind} | given, work_dir=bench.folder / "w")


@pytest.mark.parametrize(
    ("level", "cards", "said"),
    [
        pytest.param(99.0, {}, "The flat bad shows no light", id="dim"),
        pytest.param(60_000.0, {"SATURATE": 60_000.0}, "The flat bad is saturated", id="full"),
    ],
)
def test_flats_without_light_or_with_too_much_are_refused(bench, level, cards, said):
    files = [bench("good", 5000.0), bench("bad", level, **cards)]
    with pytest.raises(UsageError, match=said):
        run(
            MasterFrame(),
            {"input_files": files, "kind": "flat", "bias_file": [bench.bias]},
            work_dir=bench.folder / "w",
        )


def test_twilight_may_fade_between_flats(bench):
    pattern = np.linspace(0.8, 1.2, 20, dtype=np.float32).reshape(4, 5)
    files = [
        camera_file(bench.folder / f"flat{n}.fits", 100.0 + level * pattern, EXPTIME=1.0)
        for n, level in enumerate((30_000.0, 9000.0, 2000.0, 500.0))
    ]
    made = run(
        MasterFrame(),
        {"input_files": files, "kind": "flat", "bias_file": [bench.bias]},
        work_dir=bench.folder / "w",
    )
    np.testing.assert_allclose(science(made.fits())[0], pattern, rtol=1e-4)
