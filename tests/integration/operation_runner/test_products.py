import dataclasses
import hashlib
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, FITSFixedWarning
from PIL import Image

import datalab
from operation_runner.operations.median import Median
from operation_runner.operations.pixel_arithmetic import PixelArithmetic
from operation_runner.operations.stacking import Stacking
from operation_runner.operations.subtraction import Subtraction
from operation_runner.results.products import ProductWriter
from operation_runner.sdk import DataProduct, DiagnosticPicture, ImageProduct, PictureProduct
from support.operations import run
from support.runner import WCS_CARDS, input_file, job, median_job, stars, write_fits

KEY = "ab" * 32


def collected(tmp_path, *products):
    """Write products as Median would; return products and data as they wait to be stored."""
    source = write_fits(tmp_path / "one.fits", np.zeros((2, 2), "f4"))
    the_job = job("Median", {"x": 1}, work_dir=tmp_path, files=[input_file(source)])
    files = []
    data = ProductWriter(operation=Median(), job=the_job).collect(products, deliver=files.append)
    return tuple(files), data


def new_folder(folder):
    """Return a folder of its own for another job."""
    made = folder / f"another{len(list(folder.iterdir()))}"
    made.mkdir()
    return made


def written(tmp_path, *products):
    return collected(tmp_path, *products)[0]


def image(pixels, **cards):
    return ImageProduct(pixels=pixels, header=fits.Header(WCS_CARDS | cards), comment="Datalab Median on one, two")


def picture(product, role):
    with Image.open(product.files[role].path) as opened:
        opened.load()
        return opened


def cut(header, keyword):
    return "".join(str(line) for line in header[keyword])


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">i2", ">u2", ">i4", "u1"])
def test_pixels_come_back_bit_by_bit(tmp_path, dtype):
    pixels = stars(30, 40, seed=1).astype(dtype)
    if np.dtype(dtype).kind == "f":
        pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    (product,) = written(tmp_path, image(pixels))
    with fits.open(product.files["fits"].path, checksum=True) as hdus:  # a wrong checksum would warn
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI"]
        assert not isinstance(hdus["SCI"], fits.CompImageHDU)
        assert hdus["SCI"].data.astype(dtype).tobytes() == pixels.tobytes()


def test_the_file_tells_how_it_was_made(tmp_path):
    (product,) = written(tmp_path, image(stars(5, 6, seed=1).astype(">f4")))
    with fits.open(product.files["fits"].path) as hdus:
        header = hdus[0].header
        assert hdus[0].data is None
        assert header["DLAB_KEY"] == KEY
        assert header["DLABOP"] == "Median"
        assert header["DLABVER"] == datalab.__version__
        assert cut(header, "COMMENT") == "Datalab Median on one, two"
        history = cut(header, "HISTORY")
        assert "input one" in history
        assert hashlib.sha256((tmp_path / "one.fits").read_bytes()).hexdigest() in history
        assert json.dumps({"x": 1}, separators=(",", ":")) in history
    assert (product.filter_name, product.target_name, product.is_exposure) == ("rp", "M 51", True)
    assert product.observation_date == "2026-05-04T22:00:01.417000+00:00"
    assert {role: file.media_type for role, file in product.files.items()} == {
        "fits": "application/fits",
        "large": "image/jpeg",
        "small": "image/jpeg",
    }


def test_the_same_product_is_the_same_bytes(tmp_path):
    def digests(folder):
        folder.mkdir()
        (product,) = written(folder, image(stars(30, 40, seed=1).astype(">f4")))
        return {role: file.path.read_bytes() for role, file in product.files.items()}

    assert digests(tmp_path / "first") == digests(tmp_path / "again")


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i4", "<u2"])
def test_the_picture_shows_the_image_whatever_its_byte_order(tmp_path, dtype):
    """Picture and FITS file are written at the same time from the same pixels; large ones, so that they do meet."""
    pixels = (1000 + np.arange(1200 * 1300).reshape(1200, 1300) % 977).astype(dtype)
    before = pixels.tobytes()
    pictures = set()
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        (product,) = written(folder, image(pixels))
        pictures.add(product.files["large"].path.read_bytes())
    assert len(pictures) == 1
    assert pixels.tobytes() == before


def test_large_pictures_are_not_shrunk_and_small_ones_fit_200_pixels(tmp_path):
    (product,) = written(tmp_path, image(stars(1100, 1833, seed=1).astype(">f4")))
    assert picture(product, "large").size == (1833, 1100)
    assert picture(product, "small").size == (200, 120)
    assert picture(product, "large").mode == "RGB"


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (100, 100)])
def test_pictures_never_vanish_and_those_of_squares_are_never_enlarged(tmp_path, shape):
    (product,) = written(tmp_path, image(np.ones(shape, ">f4")))
    times = 1 if shape[0] == shape[1] else 5  # a strip is enlarged no further than to 16384 pixels
    assert picture(product, "large").size == tuple(side * times for side in shape[::-1])
    small = picture(product, "small").size
    assert small == tuple(min(side, 200) for side in shape[::-1])


@pytest.mark.parametrize("shape", [(300, 500), (1023, 1024), (2000, 1000), (40, 30), (512, 700)])
def test_large_pictures_that_are_not_square_fill_what_clients_draw_them_from(tmp_path, shape):
    (product,) = written(tmp_path, image(stars(*shape, seed=1).astype(">f4")))
    width, height = picture(product, "large").size
    assert min(width, height) >= 1024
    assert (height / shape[0], width / shape[1]) == (width // shape[1],) * 2  # whole pixels, nothing distorted
    rgb = np.zeros((*shape, 3), "u1")
    colours = PictureProduct(pixels=rgb, planes={"rp": np.ones(shape)}, header=fits.Header(WCS_CARDS), comment="")
    (coloured,) = written(new_folder(tmp_path), colours)
    assert picture(coloured, "large").size == (width, height)
    assert picture(coloured, "tif").size == shape[::-1]


def test_the_top_of_the_picture_is_the_last_row_of_the_image(tmp_path):
    pixels = np.random.default_rng(1).normal(100, 1, (1500, 1100)).astype(">f4")
    pixels[1470:1490, 40:60] = 5000  # large y, small x
    (product,) = written(tmp_path, image(pixels))
    shown = np.asarray(picture(product, "large").convert("L")).astype(int)
    assert shown[10:30, 40:60].min() > 240
    assert shown[1470:1490, 40:60].mean() < 200  # sky


def test_an_image_without_a_defined_pixel_is_black(tmp_path):
    (product,) = written(tmp_path, image(np.full((20, 30), np.nan, ">f4")))
    assert np.asarray(picture(product, "large")).max() == 0
    with fits.open(product.files["fits"].path) as hdus:
        assert np.isnan(hdus["SCI"].data).all()


def test_every_image_has_files_of_its_own(tmp_path):
    products = written(tmp_path, *(image(np.ones((3, 4), ">f4")) for _ in range(2)), DataProduct(content={"n": 1}))
    paths = {file.path for product in products for file in product.files.values()}
    assert len(paths) == 6
    assert all(path.exists() for path in paths)


def test_data_becomes_strict_json(tmp_path):
    content = {"mean": np.float32(1.5), "counts": np.arange(3), "none": np.nan, "far": [np.inf, (1, -np.inf)], 3: True}
    _, (data,) = collected(tmp_path, DataProduct(content=content))
    expected = {"mean": 1.5, "counts": [0, 1, 2], "none": None, "far": [None, [1, None]], "3": True}
    assert data.content == expected | {"notes": []}
    json.dumps(data.content, allow_nan=False)
    with pytest.raises(TypeError):
        collected(tmp_path, DataProduct(content={"path": Path()}))


def test_catalogues_and_masks_are_extensions_of_the_image(tmp_path):
    sources = Table({"x": [1.5, 2.5], "flux": [10.0, np.nan], "flag": [0, 4]}, units={"x": "pix"})
    mask = np.eye(3, 4, dtype="u1")
    product = image(np.ones((3, 4), ">f4"))
    (written_product,) = written(tmp_path, dataclasses.replace(product, catalogue=sources, extensions={"MASK": mask}))
    with warnings.catch_warnings(), fits.open(written_product.files["fits"].path, checksum=True) as hdus:
        warnings.simplefilter("error")
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "MASK", "CAT"]
        np.testing.assert_array_equal(hdus["MASK"].data, mask)
        np.testing.assert_array_equal(hdus["CAT"].data["flux"], sources["flux"])
        assert hdus["CAT"].columns["x"].unit == "pix"


def test_a_picture_is_a_tiff_two_jpegs_and_a_cube(tmp_path):
    rgb = np.random.default_rng(1).integers(0, 255, (30, 40, 3)).astype("u1")
    planes = {"rp": stars(30, 40, seed=1).astype("f4"), "gp": stars(30, 40, seed=2).astype("f4")}
    (product,) = written(
        tmp_path, PictureProduct(pixels=rgb, planes=planes, header=fits.Header(WCS_CARDS), comment="Colours of M 51")
    )
    assert product.type == "image"
    assert {role: file.media_type for role, file in product.files.items()} == {
        "fits": "application/fits",
        "tif": "image/tiff",
        "large": "image/jpeg",
        "small": "image/jpeg",
    }
    np.testing.assert_array_equal(np.asarray(picture(product, "tif")), rgb)
    assert picture(product, "large").size == (40 * 35, 30 * 35)
    assert not product.is_exposure
    with fits.open(product.files["fits"].path, checksum=True) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["SCI"].data, np.stack(list(planes.values())))
        assert [hdus["SCI"].header[f"PLANE{n}"] for n in (1, 2)] == ["rp", "gp"]


def test_a_diagnostic_picture_goes_with_the_data_that_follows(tmp_path):
    rgb = np.zeros((20, 30, 3), "u1")
    pictures = [DiagnosticPicture(field="diagnostic_images", name=name, pixels=rgb) for name in ("a", "b")]
    products, (data,) = collected(tmp_path, *pictures, DataProduct(content={"n": 1}))
    assert products == ()
    assert [(each.field, each.name) for each in data.pictures] == [
        ("diagnostic_images", "a"),
        ("diagnostic_images", "b"),
    ]
    with Image.open(data.pictures[0].file.path) as opened:
        assert opened.size == (30, 20)
    with pytest.raises(TypeError, match="belongs to no data"):
        collected(tmp_path, pictures[0])


def test_what_is_cut_from_no_exposure_is_none_either(tmp_path):
    combined = dataclasses.replace(image(np.ones((3, 4), ">f4")), is_exposure=False)
    (product,) = written(tmp_path, combined)
    assert (product.filter_name, product.is_exposure) == ("rp", False)
    header = fits.getheader(product.files["fits"].path, "SCI")
    (cut_from_it,) = written(new_folder(tmp_path), dataclasses.replace(combined, header=header, is_exposure=True))
    assert not cut_from_it.is_exposure
    again = fits.getheader(cut_from_it.files["fits"].path, "SCI")
    assert again["DLABEXP"] is False
    (exposure,) = written(new_folder(tmp_path), image(np.ones((3, 4), ">f4")))
    assert exposure.is_exposure
    assert "DLABEXP" not in fits.getheader(exposure.files["fits"].path, "SCI")


COMBINED = {
    "Median": (Median(), lambda paths: {"input_files": paths}),
    "Stacking": (Stacking(), lambda paths: {"input_files": paths}),
    "Subtraction": (Subtraction(), lambda paths: {"input_files": paths[:1], "subtraction_file": paths[1:2]}),
    "Pixel Arithmetic": (PixelArithmetic(), lambda paths: {"a": paths[:1], "b": paths[1:2], "expression": "a - b"}),
}


@pytest.mark.parametrize("name", COMBINED)
@pytest.mark.parametrize(("filters", "combined"), [(["rp", "gp"], "rp+gp"), (["rp", "rp"], "rp"), ([None, "gp"], "gp")])
def test_the_header_of_images_of_several_filters_names_them_all(tmp_path, name, filters, combined):
    """And none of them can be measured as an exposure of one."""
    paths = []
    for number, filter_name in enumerate(filters):
        cards = {key: value for key, value in WCS_CARDS.items() if key != "FILTER"}
        cards |= {} if filter_name is None else {"FILTER": filter_name}
        paths.append(write_fits(tmp_path / f"{number}.fits", stars(30, 40, seed=number).astype("f4"), header=cards))
    operation, parameters = COMBINED[name]
    made = run(operation, parameters(paths), work_dir=tmp_path / "work")
    (product,) = made.products
    shown = fits.getheader(made.fits(), "SCI").get("FILTER")
    if filters[0] is None:  # one name only: nothing is said that the first image does not say
        assert shown in (None, combined)
    else:
        assert shown == product.filter_name == combined
    assert not product.is_exposure


# --- Median, from files to files --------------------------------------------------------------------------------------


async def test_the_median_keeps_the_sky_where_it_is(tmp_path, computer):
    shapes = [(40, 60), (50, 45)]
    pixels = [stars(*shape, seed=n).astype("u2") for n, shape in enumerate(shapes)]
    paths = [
        write_fits(tmp_path / f"{name}.fits.fz", data, header=WCS_CARDS, compression="RICE_1")
        for name, data in zip("ab", pixels, strict=True)
    ]
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    products = []
    job = median_job(paths, work_dir=work_dir)
    await computer.compute(job, on_progress=lambda *_: None, on_product=products.append)
    (product,) = products
    with fits.open(product.files["fits"].path, checksum=True) as hdus, fits.open(paths[0]) as source:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["SCI"].data, np.median([p[:40, :45] for p in pixels], axis=0))
        assert cut(hdus[0].header, "COMMENT") == "Datalab Median on a, b"
        corners = [(1, 1), (45, 1), (1, 40), (45, 40)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)  # that MJD-OBS was derived from DATE-OBS
            ours, theirs = WCS(hdus["SCI"].header), WCS(source["SCI"].header)
        np.testing.assert_array_equal(ours.all_pix2world(corners, 1), theirs.all_pix2world(corners, 1))
        assert hdus["SCI"].header["OBJECT"] == "M 51"


REAL_DATA = os.environ.get("DATALAB_REAL_DATA")


@pytest.mark.skipif(not REAL_DATA, reason="DATALAB_REAL_DATA names no folder with fits_1.fits.fz and fits_2.fits.fz")
async def test_the_median_of_two_real_frames(tmp_path, computer):
    """The exact median of two frames of the predecessor's tests."""
    paths = [Path(REAL_DATA) / f"fits_{n}.fits.fz" for n in (1, 2)]
    products = []
    job = median_job(paths, work_dir=tmp_path)
    await computer.compute(job, on_progress=lambda *_: None, on_product=products.append)
    with fits.open(products[0].files["fits"].path) as hdus:
        pixels = hdus["SCI"].data
        assert cut(hdus[0].header, "COMMENT") == "Datalab Median on fits_1, fits_2"
    assert (
        f"{pixels.min():.6f} {pixels.max():.6f} {pixels.mean(dtype='f8'):.6f}" == "1104.699097 1826.741943 1203.962991"
    )
    assert [f"{pixels[n, n]:.6f}" for n in (0, 50, 99)] == ["1211.622192", "1210.709473", "1197.413940"]
