import itertools
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image as Picture
from pydantic import ValidationError

from operation_runner.operations.color_image import ColorImage
from operation_runner.operations.normalization import Normalization
from operation_runner.sdk import UsageError
from support import star_frames
from support.operations import run
from support.star_frames import SKY_LEVEL, Field, view

SHAPE = (240, 260)
FIELD = Field.random(seed=5, side=260, stars_per_side2=60)
VIEWS = [
    view(side=260),
    view(side=260, rotation_deg=30, scale=0.97, shift_px=(10, 5)),
    view(side=260, rotation_deg=180, scale=1.04, shift_px=(-8.4, 12)),
]
FILTERS = ["rp", "gp", "ip"]
RED, GREEN, BLUE = ({"r": 255, "g": 0, "b": 0}, {"r": 0, "g": 255, "b": 0}, {"r": 0, "g": 0, "b": 255, "a": 1})
COLORS = [RED, GREEN, BLUE]
LIMITS = {"zmin": SKY_LEVEL, "zmax": SKY_LEVEL + 250}


def frame(folder, number, *, seen=None, catalogue=True, wcs=False, table=None, name=None):
    seen = seen or VIEWS[number]
    if table is None and catalogue:
        table = star_frames.catalogue(FIELD, seen, SHAPE, seed=number)
    return star_frames.write(
        folder / f"{name or number}.fits",
        star_frames.pixels(FIELD, seen, SHAPE, seed=number),
        table=table,
        wcs=star_frames.sky_wcs(seen) if wcs else None,
        FILTER=FILTERS[number],
    )


def noise(folder, name, *, wcs=None, seed=1):
    pixels = np.random.default_rng(seed).normal(SKY_LEVEL, 5, SHAPE).astype("f4")
    return star_frames.write(folder / f"{name}.fits", pixels, wcs=wcs)


def channels(paths, **limits):
    limits = limits or LIMITS
    return {
        "color_channels": [
            {"file": path, "color": color} | limits for path, color in zip(paths, itertools.cycle(COLORS))
        ]
    }


def compose(paths, folder, *, processes=1, **limits):
    return run(ColorImage(), channels(paths, **limits), work_dir=folder / "work", processes=processes)


def tiff(made):
    (product,) = made.products
    with Picture.open(product.files["tif"].path) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def cube(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(made.fits()) as hdus:
            hdus.verify("exception")
            return hdus["SCI"].data.copy(), hdus["SCI"].header.copy()


def whiteness(picture):
    """Return the share of the bright pixels, stars, that have light in all three colours."""
    bright = picture.max(axis=2) > 150
    return np.count_nonzero(picture.min(axis=2)[bright] > 60) / np.count_nonzero(bright)


def covered(planes):
    """Return where all planes of a cube have pixels, as seen in its picture."""
    return np.flipud(np.isfinite(planes).all(axis=0))


@pytest.mark.parametrize("catalogue", [True, False])
def test_white_stars_are_white_however_the_images_lie(tmp_path, catalogue):
    made = compose([frame(tmp_path, number, catalogue=catalogue) for number in range(3)], tmp_path)
    planes, header = cube(made)
    picture = tiff(made)
    assert picture.shape == (*SHAPE, 3)
    assert whiteness(np.where(covered(planes)[..., np.newaxis], picture, 0)) > 0.97
    assert planes.shape == (3, *SHAPE)
    assert [header[f"PLANE{n}"] for n in (1, 2, 3)] == ["rp 0", "gp 1", "ip 2"]
    assert header["FILTER"] == "rp+gp+ip"


def test_the_picture_is_that_of_the_planes_by_the_formula(tmp_path):
    made = compose([frame(tmp_path, number) for number in range(3)], tmp_path)
    planes, _ = cube(made)
    curve = np.array([int(256 * (i / 256) ** (1 / 2.5)) for i in range(256)])
    levels = np.nan_to_num((np.clip(planes, LIMITS["zmin"], LIMITS["zmax"]) - LIMITS["zmin"]) * (255 / 250.0))
    expected = np.moveaxis(curve[np.round(levels).astype(int)], 0, 2)[::-1]
    difference = np.abs(tiff(made).astype(int) - expected)
    assert np.mean(difference == 0) > 0.999  # but for halves, rounded in float32 there
    assert difference.max() <= 27  # the first step of the curve


def test_files_come_in_all_sizes(tmp_path):
    (product,) = compose([frame(tmp_path, number) for number in range(2)], tmp_path).products
    assert product.type == "image"
    assert sorted(product.files) == ["fits", "large", "small", "tif"]
    with Picture.open(product.files["large"].path) as large, Picture.open(product.files["small"].path) as small:
        # By whole pixels, so that the shorter side has the 1024 that clients draw.
        assert large.size == tuple(5 * side for side in SHAPE[::-1])
        assert max(small.size) == 200


def test_again_and_on_more_cores_it_is_the_same_picture(tmp_path):
    paths = [frame(tmp_path, number) for number in range(3)]
    made = [compose(paths, tmp_path / str(number), processes=number) for number in (1, 2)]
    np.testing.assert_array_equal(*(tiff(each) for each in made))
    np.testing.assert_array_equal(*(cube(each)[0] for each in made))


def test_one_channel_is_enough(tmp_path):
    path = frame(tmp_path, 0)
    made = compose([path], tmp_path)
    picture = tiff(made)
    assert picture[..., 0].max() == 255
    assert not picture[..., 1:].any()
    planes, _ = cube(made)
    np.testing.assert_array_equal(planes[0], fits.getdata(path, "SCI"))


def test_one_file_may_be_several_channels(tmp_path):
    path = noise(tmp_path, "starless")
    picture = tiff(compose([path, path], tmp_path, zmin=SKY_LEVEL - 10, zmax=SKY_LEVEL + 20))
    np.testing.assert_array_equal(picture[..., 0], picture[..., 1])
    assert picture[..., 0].std() > 0


def test_the_planes_of_one_colour_file_may_be_the_channels_and_a_picture_is_such_a_file(tmp_path):
    sky = star_frames.pixels(FIELD, VIEWS[0], SHAPE, seed=3)
    path = tmp_path / "colour.fits"
    wcs = star_frames.sky_wcs(VIEWS[0]).to_header()
    fits.PrimaryHDU(np.stack([sky, 2 * sky, 3 * sky]).astype("f4"), wcs).writeto(path)
    given = channels([path] * 3)
    for channel, plane in zip(given["color_channels"], ("red", "green", "blue"), strict=True):
        channel["plane"] = plane
    made = run(ColorImage(), given, work_dir=tmp_path / "work")
    planes, header = cube(made)
    assert [header[f"PLANE{number}"] for number in (1, 2, 3)] == ["colour red", "colour green", "colour blue"]
    for plane, factor in zip(planes, (1, 2, 3), strict=True):
        assert np.nanmedian(plane / sky) == pytest.approx(factor, rel=1e-3)
    with fits.open(made.fits(), mode="update") as hdus:  # whatever their order, the planes are found by their names
        hdus["SCI"].data = np.ascontiguousarray(hdus["SCI"].data[::-1])
        hdus["SCI"].header["PLANE1"], hdus["SCI"].header["PLANE3"] = "colour blue", "colour red"
    blue = {"input_files": [{"file": made.fits(), "plane": "blue"}]}
    again = run(Normalization(), blue, work_dir=tmp_path / "again")
    assert again.products[0].notes[0].endswith("of which number 1 (colour blue) is used")
    with fits.open(again.fits()) as hdus:
        assert hdus["SCI"].data.shape == SHAPE
        assert np.nanmedian(hdus["SCI"].data) == pytest.approx(1, abs=0.01)
        assert any(card.startswith("note ") and "NAXIS" in card for card in hdus[0].header["HISTORY"])


def test_images_on_one_grid_need_no_stars(tmp_path):
    wcs = star_frames.sky_wcs(VIEWS[0])
    paths = [noise(tmp_path, name, wcs=wcs, seed=seed) for seed, name in enumerate("abc")]
    planes, header = cube(compose(paths, tmp_path))
    for plane, path in zip(planes, paths, strict=True):
        np.testing.assert_array_equal(plane, fits.getdata(path, "SCI"))
    assert WCS(header).celestial.pixel_to_world(3, 4).separation(wcs.pixel_to_world(3, 4)).arcsec < 1e-6


def test_an_image_without_stars_is_aligned_by_its_world_coordinates(tmp_path):
    reference = frame(tmp_path, 0, wcs=True)
    shifted = noise(tmp_path, "z", wcs=star_frames.sky_wcs(view(side=260, shift_px=(50, 0))))
    planes, _ = cube(compose([reference, shifted], tmp_path))
    assert np.isnan(planes[1][:, -49:]).all()
    assert np.isfinite(planes[1][:, :-51]).all()


def test_the_reference_is_the_image_with_most_stars(tmp_path):
    few = star_frames.catalogue(FIELD, VIEWS[0], SHAPE, seed=0)[:15]
    paths = [frame(tmp_path, 0, table=few), frame(tmp_path, 1)]
    planes, _ = cube(compose(paths, tmp_path))
    np.testing.assert_array_equal(planes[1], fits.getdata(paths[1], "SCI"))
    assert np.isnan(planes[0]).any()


@pytest.mark.parametrize("missing", ["x", "flux", "fwhm"])
def test_a_catalogue_that_lacks_columns_does_not_matter(tmp_path, missing):
    """In the predecessor it left the operation in progress for ever."""
    table = star_frames.catalogue(FIELD, VIEWS[1], SHAPE, seed=1)
    table.remove_column(missing)
    made = compose([frame(tmp_path, 0), frame(tmp_path, 1, table=table)], tmp_path)
    assert made.progress[-1][0] > 0.8


def test_catalogues_of_larger_frames_align_parts_cut_from_their_corner(tmp_path):
    """As in the known test files, of 100 x 100 pixels with the catalogue of the whole frame."""
    paths = [
        star_frames.write(
            tmp_path / f"{number}.fits",
            star_frames.pixels(FIELD, seen, SHAPE, seed=number)[:100, :100],
            table=star_frames.catalogue(FIELD, seen, SHAPE, seed=number),
        )
        for number, seen in enumerate([view(side=260), view(side=260, shift_px=(6, -4))])
    ]
    planes, _ = cube(compose(paths, tmp_path, zmin=0.0, zmax=255.0))
    assert planes.shape == (2, 100, 100)
    assert min(np.isfinite(plane).mean() for plane in planes) == pytest.approx(0.94 * 0.96, abs=0.03)


def test_what_cannot_be_aligned_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"z cannot be aligned to 0: .*stars.*, and the header of the image has no"):
        compose([frame(tmp_path, 0), noise(tmp_path, "z")], tmp_path)


def test_images_with_nothing_to_align_by_are_refused(tmp_path):
    with pytest.raises(UsageError, match="b cannot be aligned to a: the image has only 0 stars"):
        compose([noise(tmp_path, "a"), noise(tmp_path, "b", seed=2)], tmp_path)


def test_strangers_are_refused(tmp_path):
    other = Field.random(seed=99, side=260, stars_per_side2=60)
    path = star_frames.write(
        tmp_path / "other.fits",
        star_frames.pixels(other, VIEWS[0], SHAPE, seed=1),
        table=star_frames.catalogue(other, VIEWS[0], SHAPE, seed=1),
    )
    with pytest.raises(UsageError, match=r"of \d+ stars in the image and \d+ in the reference only \d agree"):
        compose([frame(tmp_path, 0), path], tmp_path)


@pytest.mark.parametrize("level", [0.0, 65535.0, np.nan])
@pytest.mark.parametrize("limits", [{"zmin": None, "zmax": None}, {"zmin": 0.0, "zmax": 0.0}])
def test_a_channel_that_shows_nothing_colours_nothing(tmp_path, level, limits):
    """An all-zero channel made the whole picture red; where it lies, neither stars nor headers need to tell."""
    empty = star_frames.write(tmp_path / "empty.fits", np.full((100, 120), level, "f4"), FILTER="ha")
    color_channels = [{"file": empty, "color": RED} | limits, {"file": frame(tmp_path, 1), "color": GREEN} | LIMITS]
    made = run(ColorImage(), {"color_channels": color_channels}, work_dir=tmp_path / "work")
    picture = np.asarray(Picture.open(made.products[0].files["tif"].path))
    assert not picture[..., 0].any() or level > 0 == limits["zmin"]
    assert "empty: all its pixels are the same or blank, so it adds nothing" in " ".join(made.products[0].notes)
    assert picture[..., 1].std() > 0


@pytest.mark.parametrize("limits", [{"zmin": None, "zmax": None}, {"zmin": 205.0}, {"zmax": 300.0}])
def test_missing_limits_are_automatic(tmp_path, limits):
    red = tiff(compose([frame(tmp_path, 0)], tmp_path, **limits))[..., 0]
    assert 0.4 < np.mean(red == 0) < 0.95  # most of the sky is dark
    assert np.any((red > 0) & (red < 255))
    assert red.max() == 255


def test_limits_may_be_equal_but_not_swapped(tmp_path):
    path = frame(tmp_path, 0)
    assert set(np.unique(tiff(compose([path], tmp_path, zmin=50.0, zmax=50.0))[..., 0])) == {255}
    with pytest.raises(UsageError, match="The limits of 0 are in the wrong order: zmax 5 is below zmin 9"):
        compose([path], tmp_path / "swapped", zmin=9.0, zmax=5.0)


@pytest.mark.parametrize(
    "channel",
    [
        {},
        {"color": {"r": 256, "g": 0, "b": 0}},
        {"color": {"r": -1, "g": 0, "b": 0}},
        {"color": {"r": 1, "g": 0}},
        {"color": RED, "zmin": "black"},
        {"color": RED, "zmax": float("inf")},
        {"color": RED, "zmin": float("nan")},
    ],
)
def test_a_bad_channel_is_refused(channel):
    with pytest.raises(ValidationError):
        ColorImage.Parameters.model_validate({"color_channels": [{"source": "archive", "basename": "a"} | channel]})


def test_what_clients_add_is_no_part_of_the_parameters():
    channel = {"source": "archive", "basename": "a", "color": BLUE, "url": "https://x", "largeCachedUrl": "blob:y"}
    parameters = ColorImage.Parameters.model_validate({"color_channels": [channel]})
    assert parameters.model_dump(mode="json") == {
        "color_channels": [
            {
                "source": "archive",
                "basename": "a",
                "color": {"r": 0.0, "g": 0.0, "b": 255.0},
                "zmin": None,
                "zmax": None,
            }
        ]
    }


def test_the_wizard_has_a_color_picker():
    described = ColorImage.wizard()["inputs"]["color_channels"]
    assert described == {
        "name": "Color Channel",
        "description": "The images to combine, each with its color",
        "type": "fits",
        "minimum": 1,
        "maximum": 6,
        "include_custom_scale": True,
        "color_picker": True,
    }
