import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from scipy.spatial import cKDTree

from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import write_fits as write_exposure
from operation_runner.operations.source_extraction import SourceExtraction
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import write_fits

OBSERVATORY = SimulatedObservatory(
    camera=Camera(rows=300, columns=400, cosmic_rays_per_cm2_s=0.0, hot_pixel_fraction=0.0), seed=2
)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    exposures = list(OBSERVATORY.exposures(NightPlan(n_exposures=2)))
    paths = [folder / f"{exposure.identity.base_name}.fits.fz" for exposure in exposures]
    for exposure, path in zip(exposures, paths, strict=True):
        write_exposure(exposure, path)
    return exposures, paths


def opened(path):
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        return hdus["SCI"].data, hdus["SCI"].header, Table(hdus["CAT"].data)


def test_the_output_is_the_image_with_a_new_catalogue(frames, tmp_path):
    exposures, paths = frames
    made = run(SourceExtraction(), {"input_files": paths}, work_dir=tmp_path)
    assert len(made.products) == 2
    for number, exposure in enumerate(exposures):
        pixels, header, sources = opened(made.fits(number))
        assert pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, exposure.pixels)
        known = Table(exposure.catalogue)
        assert set(sources.colnames) == {*known.colnames, "sharpness"}
        distance, nearest = cKDTree(np.column_stack([sources["xwin"], sources["ywin"]])).query(
            np.column_stack([known["xwin"], known["ywin"]])
        )
        alone = (distance < 1.5) & (known["flag"] == 0) & (sources["flag"][nearest] == 0)
        bright = alone & (known["flux"] > 50.0 * known["fluxerr"])
        assert np.count_nonzero(bright) > 8
        same = sources[nearest]
        # Both were measured on the same pixels, by different programs.
        assert np.max(distance[bright]) < 0.05
        assert np.median(same["mag"][bright] - known["mag"][bright]) == pytest.approx(0.0, abs=0.005)
        assert np.std(same["mag"][bright] - known["mag"][bright]) < 0.02
        np.testing.assert_allclose(same["ra"][bright], known["ra"][bright], atol=0.1 / 3600)
        np.testing.assert_allclose(same["dec"][bright], known["dec"][bright], atol=0.05 / 3600)
        np.testing.assert_allclose(same["fluxaper4"][bright], known["fluxaper4"][bright], rtol=0.02)
        # The simulator's errors have that of a sky ring in them, up to 30 %.
        np.testing.assert_allclose(same["magerr"][bright], known["magerr"][bright], rtol=0.3)
        assert header["NSTARS"] == len(sources)
        assert header["SEPSKY"] == pytest.approx(exposure.header["SEPSKY"], abs=0.2)
        assert header["FWHMASEC"] == pytest.approx(exposure.header["FWHMASEC"], rel=0.05)
        assert "stars of the catalogue of the input" in "".join(header["HISTORY"])


def test_one_process_or_two_make_the_same(frames, tmp_path):
    paths = frames[1]
    one, two = (
        run(SourceExtraction(), {"input_files": paths}, work_dir=tmp_path / str(n), processes=n) for n in (1, 2)
    )
    for number in range(2):
        assert (opened(one.fits(number))[2] == opened(two.fits(number))[2]).all()


def test_an_aperture_in_arcsec_takes_the_place_of_the_usual_ones(frames, tmp_path):
    made = run(SourceExtraction(), {"input_files": frames[1][:1], "aperture_radius": 2.0}, work_dir=tmp_path)
    sources = opened(made.fits())[2]
    np.testing.assert_allclose(sources["flux"], sources["fluxaper4"], rtol=1e-6)


def test_a_bare_image_has_no_magnitudes_and_no_sky_positions(frames, tmp_path):
    path = write_fits(tmp_path / "bare.fits", frames[0][0].pixels)
    made = run(SourceExtraction(), {"input_files": [path]}, work_dir=tmp_path / "w")
    _, _, sources = opened(made.fits())
    assert {"mag", "ra", "fluxaper1"}.isdisjoint(sources.colnames)
    assert len(sources) > 30
    assert "Sources have no magnitudes: neither catalogue nor header tell a zero point" in made.products[0].notes
    with pytest.raises(UsageError, match="bare states no pixel scale"):
        run(SourceExtraction(), {"input_files": [path], "aperture_radius": 2.0}, work_dir=tmp_path / "w2")


def test_the_zero_point_of_the_header_serves_without_a_catalogue(frames, tmp_path):
    exposure = frames[0][0]
    path = write_fits(tmp_path / "header.fits", exposure.pixels, header=exposure.header)
    _, header, sources = opened(run(SourceExtraction(), {"input_files": [path]}, work_dir=tmp_path / "w").fits())
    known = Table(exposure.catalogue)
    distance, nearest = cKDTree(np.column_stack([sources["xwin"], sources["ywin"]])).query(
        np.column_stack([known["xwin"], known["ywin"]])
    )
    bright = (distance < 1.5) & (known["flag"] == 0) & (known["flux"] > 50.0 * known["fluxerr"])
    assert np.median(sources["mag"][nearest[bright]] - known["mag"][bright]) == pytest.approx(0.0, abs=0.01)
    assert "L1ZP in the header" in "".join(header["HISTORY"])


@pytest.mark.parametrize("pixels", [np.full((40, 50), np.nan, np.float32), np.zeros((40, 50), np.int16)])
def test_a_blank_image_is_refused_by_name(pixels, tmp_path):
    path = write_fits(tmp_path / "blank.fits", pixels)
    with pytest.raises(UsageError, match="No sources can be extracted from blank: it is blank"):
        run(SourceExtraction(), {"input_files": [path]}, work_dir=tmp_path / "w")


def test_one_bad_file_loses_no_other(frames, tmp_path):
    (_, exposure), (path, _) = frames
    blank = write_fits(tmp_path / "blank.fits", np.full((40, 50), np.nan, np.float32))
    tiny = write_fits(tmp_path / "tiny.fits", exposure.pixels[:8, :8])
    made = run(SourceExtraction(), {"input_files": [blank, path, tiny]}, work_dir=tmp_path / "w")
    (product,) = made.products
    assert len(opened(made.fits())[2]) > 30
    assert any(note.startswith("blank: left out: No sources can be extracted") for note in product.notes)
    assert any(note.startswith("tiny: left out") for note in product.notes)
    with pytest.raises(UsageError, match="Not one of the 2 input files could be used"):
        run(SourceExtraction(), {"input_files": [blank, tiny]}, work_dir=tmp_path / "w2")


def test_cosmic_rays_are_flagged_and_told(tmp_path):
    camera = Camera(rows=300, columns=400, cosmic_rays_per_cm2_s=20.0 / 60.0, hot_pixel_fraction=0.0)
    (exposure,) = SimulatedObservatory(camera=camera, seed=3).exposures(NightPlan(n_exposures=1, exposure_s=120.0))
    path = write_fits(tmp_path / "hit.fits", exposure.pixels, header=exposure.header)
    made = run(SourceExtraction(), {"input_files": [path]}, work_dir=tmp_path / "w")
    sources = opened(made.fits())[2]
    sharp = (sources["flag"] & 256) > 0
    assert np.count_nonzero(sharp) == 4
    at_peak = exposure.truth.cosmic_rays[
        np.asarray(sources["ypeak"])[sharp] - 1, np.asarray(sources["xpeak"])[sharp] - 1
    ]
    assert at_peak.all()
    assert f"{np.count_nonzero(sharp)} of {len(sources)} sources are sharper than stars" in "; ".join(
        made.products[0].notes
    )
