import numpy as np
import pytest
from astropy.io import fits

from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import write_fits as write_exposure
from operation_runner.operations.cosmic_ray_removal import CosmicRayRemoval
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import write_fits

#: Twenty times the cosmic rays of sea level.
CAMERA = Camera(rows=200, columns=300, cosmic_rays_per_cm2_s=20.0 / 60.0, hot_pixel_fraction=0.0)


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    (exposure,) = SimulatedObservatory(camera=CAMERA, seed=3).exposures(NightPlan(n_exposures=1, exposure_s=120.0))
    path = tmp_path_factory.mktemp("frame") / "hit.fits.fz"
    write_exposure(exposure, path)
    return exposure, path


def test_hit_pixels_are_mended_marked_and_counted(frame, tmp_path):
    exposure, path = frame
    made = run(CosmicRayRemoval(), {"input_files": [path]}, work_dir=tmp_path)
    with fits.open(made.fits(), checksum=True) as hdus:
        hdus.verify("exception")
        pixels, mask, header = hdus["SCI"].data, hdus["CRMASK"].data, hdus["SCI"].header
        assert len(hdus["CAT"].data) == len(exposure.catalogue)
        comment = "".join(hdus[0].header["COMMENT"])
    assert pixels.dtype == exposure.pixels.dtype
    assert mask.dtype == np.uint8
    hit = mask == 1
    np.testing.assert_array_equal(pixels[~hit], exposure.pixels[~hit])
    injected = exposure.truth.cosmic_rays
    assert np.count_nonzero(injected) > 10
    assert np.count_nonzero(hit & injected) > 0.9 * np.count_nonzero(injected)
    assert header["NCOSMIC"] == np.count_nonzero(hit)
    assert comment == "Datalab Cosmic Ray Removal on hit"


def test_options_matter_and_an_image_without_cards_works(frame, tmp_path):
    path = write_fits(tmp_path / "bare.fits", frame[0].pixels.astype(np.float32))
    counts = [
        fits.getheader(
            run(CosmicRayRemoval(), {"input_files": [path]} | options, work_dir=tmp_path / f"{n}").fits(), "SCI"
        )["NCOSMIC"]
        for n, options in enumerate(({}, {"sigma_clip": 100.0, "sigfrac": 1.0, "objlim": 50.0, "iterations": 1}))
    ]
    assert counts[0] > counts[1]


def test_one_process_or_two_make_the_same(frame, tmp_path):
    second = write_fits(tmp_path / "second.fits", frame[0].pixels[:, ::-1].copy())
    one, two = (
        run(CosmicRayRemoval(), {"input_files": [frame[1], second]}, work_dir=tmp_path / str(n), processes=n)
        for n in (1, 2)
    )
    for number in range(2):
        np.testing.assert_array_equal(fits.getdata(one.fits(number), "SCI"), fits.getdata(two.fits(number), "SCI"))


def test_what_is_doubtful_is_told_and_one_bad_file_loses_no_other(frame, tmp_path):
    rate = write_fits(tmp_path / "rate.fits", (frame[0].pixels / 60_000.0).astype(np.float32))
    rows = np.arange(200)
    striped = frame[0].pixels.astype(np.float32)
    striped[rows % 10 == 0] += 5000.0
    stripes = write_fits(tmp_path / "stripes.fits", striped)
    made = run(CosmicRayRemoval(), {"input_files": [rate, stripes]}, work_dir=tmp_path / "w")
    (product,) = made.products
    assert any("less than any detector has" in note for note in product.notes)
    assert any(
        note.startswith("stripes: left out: Cosmic rays cannot be removed from stripes") for note in product.notes
    )
    with pytest.raises(UsageError, match="% of its pixels would be taken for cosmic rays"):
        run(CosmicRayRemoval(), {"input_files": [stripes]}, work_dir=tmp_path / "w2")
