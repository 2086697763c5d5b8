import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from operation_runner.operations.cropping import Cropping
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import WCS_CARDS as FRAME_CARDS
from support.runner import stars, write_fits

#: Without the date, of which astropy.wcs would warn that it made a number.
WCS_CARDS = {keyword: value for keyword, value in FRAME_CARDS.items() if keyword != "DATE-OBS"}
SOURCE = {"name": "M 51", "ra": 202.47, "dec": 47.2}


@pytest.fixture
def frame(tmp_path):
    """An image of 80 x 100 with a WCS, DATASEC and a catalogue of three sources; its path and pixels."""
    pixels = stars(80, 100, seed=1).astype(">u2")
    path = write_fits(
        tmp_path / "frame.fits", pixels, header=WCS_CARDS | {"DATASEC": "[1:100,1:80]"}, compression="RICE_1"
    )
    sources = Table({"x": [20.5, 31.0, 90.0], "y": [16.5, 40.0, 70.0], "flux": [1e3, 2e3, 3e3]})
    fits.append(path, sources.as_array(), fits.Header({"EXTNAME": "CAT"}))
    return path, pixels


def crop(paths, work_dir, *, processes=1, **parameters):
    return run(Cropping(), {"input_files": paths, **parameters}, work_dir=work_dir, processes=processes)


def test_pixels_world_coordinates_and_catalogue_stay_what_they_were(tmp_path, frame):
    path, pixels = frame
    outcome = crop([path], tmp_path / "work", x_start=11, y_start=6, width=40, height=50)
    with fits.open(outcome.fits(), checksum=True) as hdus, fits.open(path) as before:
        hdus.verify("exception")
        data, header = hdus["SCI"].data, hdus["SCI"].header
        np.testing.assert_array_equal(data, pixels[5:55, 10:50])
        assert data.dtype.kind == "u"
        x, y = np.array([0.0, 39.0]), np.array([0.0, 49.0])
        expected = WCS(before["SCI"].header).pixel_to_world(x + 10, y + 5)
        assert WCS(header).pixel_to_world(x, y).separation(expected).arcsec.max() < 1e-6
        assert "DATASEC" not in header
        assert "".join(hdus[0].header["COMMENT"]) == "Datalab Cropping on file frame"
    sources = Table.read(outcome.fits(), hdu="CAT")
    assert list(sources["x"]) == [10.5, 21.0]
    assert list(sources["y"]) == [11.5, 35.0]
    assert list(sources["flux"]) == [1e3, 2e3]


@pytest.mark.parametrize("processes", [1, 2])
def test_each_image_is_cut_around_a_source_where_it_shows_it(tmp_path, processes):
    paths, places = [], [(20.5, 16.5), (50.5, 60.5), (30.2, 40.7)]
    for number, (x, y) in enumerate(places):
        pixels = np.zeros((80, 100), "f4")
        pixels[round(y) - 1, round(x) - 1] = 1.0  # CRPIX counts from 1
        cards = WCS_CARDS | {"CRPIX1": float(round(x)), "CRPIX2": float(round(y))}
        paths.append(write_fits(tmp_path / f"{number}.fits", pixels, header=cards))
    outcome = crop(paths, tmp_path / "work", source=SOURCE, width=11, height=15, processes=processes)
    for number in range(3):
        with fits.open(outcome.fits(number)) as hdus:
            data, wcs = hdus["SCI"].data, WCS(hdus["SCI"].header)
        assert data.shape == (15, 11)
        assert data[7, 5] == 1.0
        np.testing.assert_allclose(
            wcs.world_to_pixel(SkyCoord(SOURCE["ra"], SOURCE["dec"], unit="deg")), (5, 7), atol=1e-6
        )


def test_sizes_may_be_given_on_the_sky(tmp_path, frame):
    scale_arcsec = np.sqrt(2e-4**2 + 1e-12) * 3600
    outcome = crop([frame[0]], tmp_path / "work", width=30 * scale_arcsec, height=20 * scale_arcsec, units="arcsec")
    assert fits.getdata(outcome.fits(), "SCI").shape == (20, 30)


def test_sizes_on_the_sky_are_right_for_pixels_that_are_not_square(tmp_path):
    cards = WCS_CARDS | {"CD1_1": -2 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1 / 3600}
    path = write_fits(tmp_path / "wide.fits", np.zeros((80, 100), "f4"), header=cards)
    outcome = crop([path], tmp_path / "work", width=60, height=60, units="arcsec")
    assert fits.getdata(outcome.fits(), "SCI").shape == (60, 30)


def test_the_way_back_to_the_pixels_of_the_detector_stays_true(tmp_path):
    cards = WCS_CARDS | {"LTV1": -50.0, "LTV2": 0.0, "LTM1_1": 1.0, "XORGSUBF": 50, "YORGSUBF": 0}
    path = write_fits(tmp_path / "part.fits", np.zeros((80, 100), "f4"), header=cards)
    outcome = crop([path], tmp_path / "work", x_start=11, y_start=21, width=30, height=20)
    header = fits.getheader(outcome.fits(), "SCI")
    # A pixel of the image is LTM times that of the detector plus LTV.
    assert (header["LTV1"], header["LTV2"], header["LTM1_1"]) == (-60.0, -20.0, 1.0)
    assert (header["XORGSUBF"], header["YORGSUBF"]) == (60, 20)


def test_a_rectangle_of_the_whole_image_is_the_image(tmp_path, frame):
    path, pixels = frame
    np.testing.assert_array_equal(
        fits.getdata(crop([path], tmp_path / "work", width=100, height=80).fits(), "SCI"), pixels
    )


def test_what_cannot_be_cut_is_refused_in_words(tmp_path, frame):
    path, _ = frame
    plain = write_fits(tmp_path / "plain.fits", np.zeros((80, 100), "f4"))
    far = SOURCE | {"ra": 10.0}
    refusals = [
        (
            path,
            {"x_start": 71, "width": 31, "height": 5},
            r"columns 71 to 101 and rows 1 to 5 reaches beyond frame, which has 100 columns and 80 rows\.",
        ),
        (path, {"source": SOURCE, "width": 60, "height": 5}, "columns -9 to 50 and rows"),
        (path, {"source": far, "width": 5, "height": 5}, r"frame does not show M 51 at RA 10\.00000, Dec 47\.20000"),
        (plain, {"units": "arcsec", "width": 5, "height": 5}, "plain has no valid celestial WCS"),
        (plain, {"source": SOURCE, "width": 5, "height": 5}, "plain has no valid celestial WCS"),
        (path, {}, "reaches beyond frame"),
    ]
    for number, (file, parameters, said) in enumerate(refusals):
        with pytest.raises(UsageError, match=said):
            crop([file], tmp_path / f"work-{number}", **parameters)


def test_the_form_asks_for_pixels_only():
    inputs = Cropping.wizard()["inputs"]
    assert list(inputs) == ["input_files", "x_start", "y_start", "width", "height", "units"]
    assert (inputs["x_start"]["type"], inputs["x_start"]["minimum"], inputs["x_start"]["default"]) == ("int", 1, 1)
    assert inputs["units"]["options"] == ["pixels", "arcsec"]
