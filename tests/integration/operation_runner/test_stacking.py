import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from operation_runner.operations.stacking import Stacking
from operation_runner.recipes import mosaic
from operation_runner.sdk import UsageError
from support.dithered_sky import CENTRE, exposures, measured_stars, star_grid, written
from support.operations import run
from support.runner import WCS_CARDS, stars, write_fits

ANGLES_DEG = [0.8, 0.8, 181.0, 31.0]
DRIFTS_PX = [(0.0, 0.0), (7.3, -5.6), (3.2, 8.9), (-4.4, 2.1)]


def read(path):
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        return hdus["SCI"].data, hdus["SCI"].header, "".join(str(line) for line in hdus[0].header["COMMENT"])


def stack(paths, work_dir, *, processes=1, **parameters):
    outcome = run(Stacking(), {"input_files": paths, **parameters}, work_dir=work_dir, processes=processes)
    (product,) = outcome.products
    return outcome, *read(product.files["fits"].path)


@pytest.fixture(scope="module")
def dithered():
    return list(exposures(ANGLES_DEG, DRIFTS_PX))


@pytest.fixture(scope="module")
def dithered_files(dithered, tmp_path_factory):
    return written(tmp_path_factory.mktemp("dithered"), dithered)


@pytest.fixture
def flat_files(tmp_path):
    """Four images of 40 x 50 of different level and noise, with exposure times, and their pixels."""
    rng = np.random.default_rng(3)
    pixels = [rng.normal(100 * (n + 1), 2.0 + n, (40, 50)).astype("f4") for n in range(4)]
    paths = [
        write_fits(tmp_path / f"flat-{n}.fits", image, header=WCS_CARDS | {"EXPTIME": 10.0 * (n + 1)})
        for n, image in enumerate(pixels)
    ]
    return paths, np.array(pixels)


def test_the_form_is_that_of_the_contract_with_more_to_choose():
    inputs = Stacking.wizard()["inputs"]
    assert list(inputs) == ["input_files", "stacking_mode", "combine", "weighting", "sigma"]
    assert inputs["input_files"] | {"description": ""} == {
        "name": "Input Files",
        "description": "",
        "type": "fits",
        "minimum": 2,
        "maximum": 999,
    }
    assert inputs["stacking_mode"]["name"] == "Stacking Mode"
    assert inputs["stacking_mode"]["type"] == "select"
    assert inputs["stacking_mode"]["options"] == ["simple", "reproject"]
    assert {name: field.get("default") for name, field in inputs.items()} == {
        "input_files": None,
        "stacking_mode": "simple",
        "combine": "sum",
        "weighting": "none",
        "sigma": 3.0,
    }


def test_a_sum_and_its_negatives_cancel(tmp_path):
    """As the contract has it (8.2) for two frames and their negatives: the sum of all pixels is below 0.01."""
    pixels = [stars(100, 100, seed=n).astype("f4") for n in (1, 2)]
    paths = [
        write_fits(tmp_path / f"fits_{n}.fits", image) for n, image in enumerate([*pixels, -pixels[0], -pixels[1]])
    ]
    outcome, data, _, comment = stack(paths, tmp_path / "work")
    assert abs(data.sum()) < 0.01
    assert comment == "Datalab Stacking on fits_0, fits_1, fits_2, fits_3"
    fractions = [fraction for fraction, _ in outcome.progress]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">i2", "i4", ">f4", "f8"])
def test_a_simple_sum_is_exact_in_every_type_and_crops_to_what_all_have(tmp_path, dtype):
    top = 250 if dtype == "u1" else 30000
    pixels = [np.random.default_rng(n).integers(0, top, (30 + n, 40 - n)).astype(dtype) for n in range(3)]
    paths = [write_fits(tmp_path / f"{n}.fits", image) for n, image in enumerate(pixels)]
    _, data, header, _ = stack(paths, tmp_path / "work")
    assert data.shape == (30, 38)
    np.testing.assert_array_equal(data, sum(image[:30, :38].astype("f8") for image in pixels))
    assert header["NCOMBINE"] == 3


@pytest.mark.parametrize("mode", ["simple", "reproject"])
def test_blank_pixels_do_not_count_and_stay_blank_where_all_are(tmp_path, mode):
    pixels = np.full((3, 40, 50), 5.0, "f4")
    pixels[0, 10, 10] = np.nan
    pixels[:, 20, 20] = np.nan
    paths = [write_fits(tmp_path / f"{n}.fits", image, header=WCS_CARDS) for n, image in enumerate(pixels)]
    _, data, _, _ = stack(paths, tmp_path / "work", stacking_mode=mode)
    assert data.shape == (40, 50)
    assert data[10, 10] == pytest.approx(10)
    assert np.isnan(data[20, 20])
    assert np.count_nonzero(np.isnan(data)) == 1
    _, data, _, _ = stack(paths, tmp_path / "work-2", stacking_mode=mode, combine="average")
    assert data[10, 10] == pytest.approx(5)


@pytest.mark.parametrize("mode", ["simple", "reproject"])
@pytest.mark.parametrize(("combine", "scale"), [("average", 1.0), ("sum", 4.0)])
@pytest.mark.parametrize(
    ("weighting", "weights", "tolerance"),
    [
        ("exposure time", np.array([10.0, 20.0, 30.0, 40.0]), 1e-6),
        ("inverse variance", 1 / np.array([2.0, 3.0, 4.0, 5.0]) ** 2, 0.03),
    ],
    ids=["time", "noise"],
)
def test_weights_change_the_mean_and_keep_the_scale_of_the_sum(
    tmp_path, flat_files, mode, combine, scale, weighting, weights, tolerance
):
    paths, pixels = flat_files
    _, data, _, _ = stack(paths, tmp_path / "work", stacking_mode=mode, combine=combine, weighting=weighting)
    expected = np.average(pixels.astype("f8"), axis=0, weights=weights)
    np.testing.assert_allclose(data, expected * scale, rtol=tolerance)


def test_every_combination_of_aligned_images(tmp_path):
    rng = np.random.default_rng(4)
    pixels = rng.normal(1000, 10, (9, 40, 50)).astype("f4")
    pixels[3, 10:20, 10:20] = 30000.0
    paths = [write_fits(tmp_path / f"{n}.fits", image) for n, image in enumerate(pixels)]
    expected = {"average": pixels.mean(axis=0), "median": np.median(pixels, axis=0), "sum": pixels.sum(axis=0)}
    for combine, values in expected.items():
        _, data, _, _ = stack(paths, tmp_path / combine, combine=combine)
        np.testing.assert_allclose(data, values, rtol=1e-6)
    _, clipped, _, _ = stack(paths, tmp_path / "clipped", combine="sigma-clipped")
    assert abs(clipped[10:20, 10:20].mean() - 1000) < 1.5
    _, unclipped, _, _ = stack(paths, tmp_path / "unclipped", combine="sigma-clipped", sigma=1e9)
    np.testing.assert_allclose(unclipped, expected["average"], rtol=1e-6)


@pytest.mark.parametrize("combine", ["sum", "average", "median", "sigma-clipped"])
def test_a_reprojected_stack_has_every_star_in_its_place_with_its_light(tmp_path, dithered, dithered_files, combine):
    """Frames that are shifted, turned by 30 degrees and upside down; places and light as each single frame has them."""
    _, data, header, _ = stack(dithered_files, tmp_path, stacking_mode="reproject", combine=combine)
    offsets, counts = measured_stars(data, WCS(header))
    assert np.hypot(*offsets.T).max() < 0.05
    single = np.mean([measured_stars(frame.pixels, WCS(frame.header))[1] for frame in dithered], axis=0)
    np.testing.assert_allclose(counts, single * (4 if combine == "sum" else 1), rtol=5e-3)
    np.testing.assert_allclose(counts.mean(), single.mean() * (4 if combine == "sum" else 1), rtol=1e-3)
    assert data.dtype == np.dtype(">f8")
    assert np.isfinite(data).all()  # the box that all frames cover, and nothing else
    assert min(data.shape) > 200


def test_the_header_of_a_reprojected_stack_says_where_it_is(tmp_path, dithered_files):
    """The reference's headers are off by the crop and mix old and new cards (C7)."""
    _, data, header, _ = stack(dithered_files, tmp_path, stacking_mode="reproject")
    wcs = WCS(header)
    offsets, _ = measured_stars(data, wcs)
    assert np.abs(offsets.mean(axis=0)).max() * 0.74 < 0.1
    assert {"CDELT1", "PC1_1", "CROTA2"}.isdisjoint(header)
    assert wcs.proj_plane_pixel_scales()[0].to_value("arcsec") == pytest.approx(0.74)
    assert header["OBJECT"] == "Simulated field"
    assert header["EXPTIME"] == 240


def test_a_stack_carries_the_catalogue_of_its_first_image(tmp_path, dithered, dithered_files):
    outcome, _, header, _ = stack(dithered_files, tmp_path, stacking_mode="reproject")
    sources = Table.read(outcome.fits(), hdu="CAT")
    wcs = WCS(header)
    x, y = wcs.world_to_pixel(SkyCoord(sources["ra"], sources["dec"], unit="deg"))
    assert len(sources) == len(star_grid().stars)
    assert np.hypot(sources["x"] - 1 - x, sources["y"] - 1 - y).max() < 0.1
    before = Table(dithered[0].catalogue)
    np.testing.assert_allclose(np.sort(sources["flux"]), 4 * np.sort(before["flux"]), rtol=0.02)
    assert set(sources.colnames) == {name.lower() for name in before.colnames}


@pytest.mark.parametrize("mode", ["simple", "reproject"])
def test_a_catalogue_with_too_few_stars_is_scaled_by_the_number_of_images(tmp_path, mode):
    paths = []
    for number in range(3):
        path = write_fits(tmp_path / f"{number}.fits", np.ones((40, 50), "f4"), header=WCS_CARDS)
        fits.append(path, Table({"x": [11.0], "y": [21.0], "flux": [50.0]}).as_array(), fits.Header({"EXTNAME": "CAT"}))
        paths.append(path)
    outcome, *_ = stack(paths, tmp_path / "work", stacking_mode=mode)
    sources = Table.read(outcome.fits(), hdu="CAT")
    assert sources["flux"][0] == pytest.approx(150)
    assert (sources["x"][0], sources["y"][0]) == (pytest.approx(11, abs=1e-3), pytest.approx(21, abs=1e-3))


@pytest.mark.parametrize("combine", ["sum", "sigma-clipped"])
def test_processes_and_parts_do_not_show_in_the_result(tmp_path, dithered_files, monkeypatch, combine):
    parameters = {"stacking_mode": "reproject", "combine": combine, "weighting": "inverse variance"}
    monkeypatch.setattr("datalab.astro.mosaics.resampling._BAND_PIXELS", 40 * 220)
    _, one, _, _ = stack(dithered_files, tmp_path / "one", **parameters)
    _, several, _, _ = stack(dithered_files, tmp_path / "several", processes=3, **parameters)
    np.testing.assert_array_equal(one, several)
    monkeypatch.setattr(mosaic, "SCRATCH_BYTES", 4 * 220 * 4 * 50)
    _, in_parts, _, _ = stack(dithered_files, tmp_path / "parts", processes=2, **parameters)
    np.testing.assert_allclose(in_parts, one, rtol=1e-5)


def test_images_that_cannot_be_stacked_are_named(tmp_path, dithered_files):
    plain = write_fits(tmp_path / "nowhere.fits", np.ones((40, 50), "f4"))
    elsewhere = write_fits(tmp_path / "elsewhere.fits", np.ones((40, 50), "f4"), header=WCS_CARDS)
    refusals = [
        ([dithered_files[0], plain], {"stacking_mode": "reproject"}, "nowhere has no valid celestial WCS"),
        (
            [dithered_files[0], elsewhere],
            {"stacking_mode": "reproject"},
            r"no part of the sky in common \(frame-0 and elsewhere\)",
        ),
        ([dithered_files[0], plain], {"weighting": "exposure time"}, "nowhere does not tell an exposure time"),
        ([plain, elsewhere], {"weighting": "inverse variance"}, "elsewhere has no noise"),
        ([plain, elsewhere], {"combine": "median", "weighting": "exposure time"}, "A median cannot be weighted"),
    ]
    for number, (paths, parameters, said) in enumerate(refusals):
        with pytest.raises(UsageError, match=said):
            stack(paths, tmp_path / f"work-{number}", **parameters)


def test_the_middle_of_the_field_is_where_the_telescope_pointed(tmp_path, dithered_files):
    _, data, header, _ = stack(dithered_files, tmp_path, stacking_mode="reproject", combine="average")
    x, y = WCS(header).world_to_pixel(SkyCoord(CENTRE.ra_deg, CENTRE.dec_deg, unit="deg"))
    assert abs(x - data.shape[1] / 2) < 15
    assert abs(y - data.shape[0] / 2) < 15
