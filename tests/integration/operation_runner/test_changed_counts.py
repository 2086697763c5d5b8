"""After arithmetic, header and catalogue say what the new counts mean, or nothing."""

import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from operation_runner.operations.normalization import Normalization
from operation_runner.operations.pixel_arithmetic import PixelArithmetic
from operation_runner.operations.stacking import Stacking
from operation_runner.operations.subtraction import Subtraction
from support.operations import run
from support.runner import WCS_CARDS, write_fits

SKY, FLUX, FULL = 300.0, 4e4, 60_000.0
PLACES = [(20 + 20 * n, 20 + 15 * m) for n in range(5) for m in range(4)]
CARDS = WCS_CARDS | {
    "GAIN": 1.5,
    "RDNOISE": 5.0,
    "SATURATE": FULL,
    "BUNIT": "adu",
    "MAGZP": 25.0,
    "EXPTIME": 30.0,
}


def light(seed, *, stars=True):
    """An image of 20 stars of one brightness, and one pixel that is saturated."""
    y, x = np.mgrid[:100, :120]
    rng = np.random.default_rng(seed)
    pixels = SKY + rng.normal(0, 3, (100, 120))
    for px, py in PLACES if stars else ():
        pixels += FLUX / (8 * math.pi) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8)
    pixels[5, 5] = FULL + 7
    return pixels.astype("f4")


@pytest.fixture
def image(tmp_path):
    def make(name, pixels, *, catalogue=True, **cards):
        path = write_fits(tmp_path / f"{name}.fits", pixels, header=CARDS | cards)
        if catalogue:
            sources = Table(
                {
                    "x": [px + 1.0 for px, _ in PLACES],
                    "y": [py + 1.0 for _, py in PLACES],
                    "flux": np.full(len(PLACES), FLUX),
                    "background": np.full(len(PLACES), SKY),
                    "mag": np.full(len(PLACES), 25.0 - 2.5 * math.log10(FLUX)),
                }
            )
            fits.append(path, fits.table_to_hdu(sources).data, fits.Header({"EXTNAME": "CAT"}))
        return path

    return make


def read(made):
    with fits.open(made.fits()) as hdus:
        catalogue = Table(hdus["CAT"].data) if "CAT" in hdus else None
        return hdus["SCI"].data, hdus["SCI"].header, catalogue


def check_magnitudes(pixels, header, catalogue, *, sky):
    """The magnitude of each star is that of its counts, by the zero point and by the catalogue."""
    assert np.median(pixels[80:]) == pytest.approx(sky, rel=0.01, abs=2.0)
    sky = np.median(pixels[80:])  # no stars are there
    for (px, py), row in zip(PLACES, catalogue, strict=True):
        counts = float((pixels[py - 7 : py + 8, px - 7 : px + 8] - sky).sum())
        assert row["flux"] == pytest.approx(counts, rel=0.01)
        assert header["MAGZP"] - 2.5 * math.log10(counts) == pytest.approx(row["mag"], abs=0.02)


@pytest.mark.parametrize(
    ("expression", "scale", "offset"),
    [
        ("a / 30", 1 / 30, 0.0),
        ("a * 0.1", 0.1, 0.0),
        ("a - median(a)", 1.0, -SKY),
        ("(a - 100) * 3", 3.0, -300.0),
        ("a", 1.0, 0.0),
    ],
)
def test_multiples_of_an_image_keep_their_meaning(tmp_path, image, expression, scale, offset):
    made = run(PixelArithmetic(), {"a": [image("a", light(1))], "expression": expression}, work_dir=tmp_path / "w")
    pixels, header, catalogue = read(made)
    check_magnitudes(pixels, header, catalogue, sky=scale * SKY + offset)
    assert header["GAIN"] == pytest.approx(1.5 / scale)
    assert header["RDNOISE"] == 5.0
    assert header["SATURATE"] == pytest.approx(scale * FULL + offset, rel=1e-3)
    assert pixels[5, 5] >= header["SATURATE"] > np.sort(pixels.ravel())[-2]
    assert ("BUNIT" in header) == (scale == 1)
    assert catalogue["background"][0] == pytest.approx(scale * SKY + offset, abs=2.0)
    assert made.products[0].notes == ()


@pytest.mark.parametrize(
    "expression",
    ["a - a", "a * 0", "sqrt(a)", "a * a", "100 - a", "minimum(a, 500)", "where(a > 400, a, 0)", "a > 400"],
)
def test_what_is_no_multiple_of_an_image_has_none_of_its_cards(tmp_path, image, expression):
    made = run(PixelArithmetic(), {"a": [image("a", light(1))], "expression": expression}, work_dir=tmp_path / "w")
    _, header, catalogue = read(made)
    assert catalogue is None
    assert {"GAIN", "RDNOISE", "SATURATE", "BUNIT", "MAGZP"}.isdisjoint(header)
    (note,) = made.products[0].notes
    assert note.startswith("GAIN, RDNOISE, SATURATE, BUNIT, MAGZP, CAT: ")


def test_other_images_may_be_sky_or_stars(tmp_path, image):
    a, b = image("a", light(1)), image("b", light(2))
    sky = image("sky", light(3, stars=False), catalogue=False)
    for operation, parameters in (
        (Subtraction(), {"input_files": [a], "subtraction_file": [sky]}),
        (PixelArithmetic(), {"a": [a], "b": [sky], "expression": "a - b"}),
    ):
        pixels, header, catalogue = read(run(operation, parameters, work_dir=tmp_path / f"sky-{operation.name}"))
        check_magnitudes(pixels, header, catalogue, sky=0.0)
        assert (header["GAIN"], header["BUNIT"]) == (1.5, "adu")
        assert FULL - SKY - 60 < header["SATURATE"] < FULL - SKY
    requests = [
        (Subtraction(), {"input_files": [a], "subtraction_file": [b]}),
        (PixelArithmetic(), {"a": [a], "b": [b], "expression": "a + b"}),
        (Subtraction(), {"input_files": [a], "subtraction_file": [a]}),
    ]
    for number, (operation, parameters) in enumerate(requests):
        made = run(operation, parameters, work_dir=tmp_path / f"stars-{number}")
        _, header, catalogue = read(made)
        assert "MAGZP" not in header
        if number < 2:
            assert catalogue.colnames == ["x", "y"]
        else:
            assert catalogue is None
        assert any("the other image shows the same stars, left out" in note for note in made.products[0].notes)


def test_an_image_divided_by_a_flat_is_scaled_and_by_another_image_is_nothing(tmp_path, image):
    a, other = image("a", light(1)), light(2)
    other[:75, 30:] = SKY  # few stars are left
    uneven = np.linspace(0.95, 1.05, 12_000).reshape(100, 120).astype("f4")
    flat, b = image("flat", uneven, catalogue=False, OBSTYPE="FLAT"), image("b", other)
    made = run(PixelArithmetic(), {"a": [a], "b": [flat], "expression": "a / b"}, work_dir=tmp_path / "flat")
    _, header, catalogue = read(made)
    assert header["GAIN"] == pytest.approx(1.5, rel=0.01)
    assert catalogue is not None
    for number, stars in enumerate((b, image("c", light(2)))):
        parameters = {"a": [a], "b": [stars], "expression": "300 * a / b"}
        _, header, catalogue = read(run(PixelArithmetic(), parameters, work_dir=tmp_path / str(number)))
        assert catalogue is None
        assert "GAIN" not in header


def test_normalized_and_summed_images_have_the_magnitudes_they_had(tmp_path, image):
    a, b = image("a", light(1)), image("b", light(2))
    pixels, header, catalogue = read(run(Normalization(), {"input_files": [a]}, work_dir=tmp_path / "n"))
    check_magnitudes(pixels, header, catalogue, sky=1.0)
    assert pixels[5, 5] >= header["SATURATE"] > np.sort(pixels.ravel())[-2]
    for combine, count in (("sum", 2), ("average", 1), ("median", 1)):
        made = run(Stacking(), {"input_files": [a, b], "combine": combine}, work_dir=tmp_path / combine)
        pixels, header, catalogue = read(made)
        check_magnitudes(pixels, header, catalogue, sky=count * SKY)
        assert header["SATURATE"] == count * FULL
        assert header["EXPTIME"] == count * 30.0
