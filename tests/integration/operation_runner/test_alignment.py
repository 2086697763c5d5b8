"""Alignment, on real files; the accuracy of the algorithm is tested in tests/unit/astro/test_alignment.py."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from operation_runner.operations.alignment import Alignment
from operation_runner.sdk import UsageError
from support import star_frames
from support.operations import run
from support.star_frames import Field, view, visible

SHAPE = (240, 260)
FIELD = Field.random(seed=3, side=260, stars_per_side2=60)
VIEWS = [
    view(side=260),
    view(side=260, rotation_deg=12, scale=1.03, shift_px=(14, -9)),
    view(side=260, rotation_deg=-175, shift_px=(-6.5, 20)),
]


def frame(folder, number, *, catalogue=True, wcs=True, name=None, **cards):
    seen = VIEWS[number]
    return star_frames.write(
        folder / f"{name or number}.fits",
        star_frames.pixels(FIELD, seen, SHAPE, seed=number),
        table=star_frames.catalogue(FIELD, seen, SHAPE, seed=number) if catalogue else None,
        wcs=star_frames.sky_wcs(seen) if wcs else None,
        **{"FILTER": "rp", "DATE-OBS": f"2026-05-04T22:0{number}:00.000"} | cards,
    )


def opened(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path) as hdus:
            hdus.verify("exception")
            return hdus["SCI"].data.copy(), hdus["SCI"].header.copy(), str(hdus[0].header["COMMENT"])


def brightest_are_at(image, seen):
    """Tell that an image has its peaks where a view of the field shows the brightest stars."""
    x, y, _ = visible(FIELD, seen, SHAPE, margin_px=3)
    for star_x, star_y in zip(np.rint(x[:10]).astype(int), np.rint(y[:10]).astype(int), strict=True):
        near = image[star_y - 1 : star_y + 2, star_x - 1 : star_x + 2]
        if np.isfinite(near).all() and near.max() < 2 * np.nanmedian(image):
            return False
    return True


@pytest.mark.parametrize("method", ["stars", "wcs"])
@pytest.mark.parametrize("catalogue", [True, False])
def test_every_image_comes_onto_the_grid_of_the_first(tmp_path, method, catalogue):
    paths = [frame(tmp_path, number, catalogue=catalogue) for number in range(3)]
    made = run(Alignment(), {"input_files": paths, "method": method}, work_dir=tmp_path / "work")
    assert len(made.products) == 3
    reference = star_frames.sky_wcs(VIEWS[0])
    for number in range(3):
        data, header, comment = opened(made.fits(number))
        assert data.shape == SHAPE
        assert brightest_are_at(data, VIEWS[0])
        assert comment.startswith(f"Datalab Alignment of {number} to 0, known from ")
        assert header["DATE-OBS"] == f"2026-05-04T22:0{number}:00.000"
        found = WCS(header).pixel_to_world([0, 250], [0, 200])
        assert reference.pixel_to_world([0, 250], [0, 200]).separation(found).arcsec.max() < 1e-3
        assert made.products[number].filter_name == "rp"
    np.testing.assert_array_equal(opened(made.fits(0))[0], fits.getdata(paths[0], "SCI"))
    fractions = [fraction for fraction, _ in made.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_catalogue_moves_with_the_stars(tmp_path):
    paths = [frame(tmp_path, number) for number in range(2)]
    made = run(Alignment(), {"input_files": paths}, work_dir=tmp_path / "work")
    table = Table.read(made.fits(1), hdu="CAT")
    x, y, flux = visible(FIELD, VIEWS[0], SHAPE)
    assert len(table) > 20
    for row in table:
        star = flux == row["flux"]
        assert np.hypot(x[star] + 1 - row["x"], y[star] + 1 - row["y"]).min() < 0.3


def test_the_number_of_processes_changes_nothing(tmp_path):
    paths = [frame(tmp_path, number) for number in range(3)]
    made = [
        run(Alignment(), {"input_files": paths}, work_dir=tmp_path / str(count), processes=count) for count in (1, 2)
    ]
    for number in range(3):
        np.testing.assert_array_equal(*(opened(each.fits(number))[0] for each in made))


def test_another_reference_can_be_chosen(tmp_path):
    paths = [frame(tmp_path, number) for number in range(3)]
    made = run(Alignment(), {"input_files": paths[:2], "reference_file": paths[2:]}, work_dir=tmp_path / "work")
    assert len(made.products) == 2
    for number in range(2):
        data, _, comment = opened(made.fits(number))
        assert brightest_are_at(data, VIEWS[2])
        assert f"of {number} to 2" in comment


def test_an_empty_choice_of_reference_is_none(tmp_path):
    paths = [frame(tmp_path, number) for number in range(2)]
    made = run(Alignment(), {"input_files": paths, "reference_file": []}, work_dir=tmp_path / "work")
    assert "of 1 to 0" in opened(made.fits(1))[2]


def test_images_that_share_no_stars_are_named(tmp_path):
    good, bad = frame(tmp_path, 0, wcs=False), tmp_path / "bad.fits"
    star_frames.write(bad, np.random.default_rng(1).normal(100, 5, SHAPE).astype("f4"))
    good = good.rename(tmp_path / "good.fits")
    with pytest.raises(UsageError, match=r"bad cannot be aligned to good: the image has only \d stars and 4 are"):
        run(Alignment(), {"input_files": [good, bad]}, work_dir=tmp_path / "work")
    with pytest.raises(UsageError, match=r"good cannot be aligned to bad: the reference has only \d stars and 4 are"):
        run(Alignment(), {"input_files": [good, bad], "reference_file": [bad]}, work_dir=tmp_path / "chosen")
    with pytest.raises(UsageError, match="the header of the image has no celestial world coordinates"):
        run(Alignment(), {"input_files": [good, bad], "method": "wcs"}, work_dir=tmp_path / "other")


def test_images_that_cannot_be_aligned_are_noted_and_the_others_delivered(tmp_path):
    empty = star_frames.write(tmp_path / "empty.fits", np.full(SHAPE, 7.0, "f4"))
    paths = [empty, frame(tmp_path, 0), frame(tmp_path, 1), tmp_path / "torn.fits"]
    paths[-1].write_bytes(paths[1].read_bytes()[:4000])
    made = run(Alignment(), {"input_files": paths}, work_dir=tmp_path / "work")
    assert len(made.products) == 2
    assert "of 1 to 0" in opened(made.fits(1))[2]
    notes = " ".join(note for product in made.products for note in product.notes)
    assert "empty: left out: empty cannot be aligned to 0: the image has only 0 stars" in notes
    assert "torn: left out: " in notes


def test_world_coordinates_are_suggested_where_stars_fail(tmp_path):
    blank = star_frames.write(tmp_path / "b.fits", np.zeros(SHAPE, "f4"), wcs=star_frames.sky_wcs(VIEWS[1]))
    with pytest.raises(UsageError, match=r'b cannot be aligned to 0: .* the method "wcs" uses those'):
        run(Alignment(), {"input_files": [frame(tmp_path, 0), blank]}, work_dir=tmp_path / "work")


def test_a_binned_image_with_the_world_coordinates_of_the_unbinned_one_is_aligned_by_its_stars(tmp_path):
    """It was refused, with the advice to believe these world coordinates."""
    seen = VIEWS[1]
    binned = star_frames.pixels(FIELD, seen, SHAPE, seed=1).reshape(120, 2, 130, 2).sum(axis=(1, 3))
    path = star_frames.write(tmp_path / "binned.fits", binned, wcs=star_frames.sky_wcs(seen))
    made = run(Alignment(), {"input_files": [frame(tmp_path, 0), path]}, work_dir=tmp_path / "work")
    data, _, comment = opened(made.fits(1))
    assert brightest_are_at(data, VIEWS[0])
    assert comment.startswith("Datalab Alignment of binned to 0, known from ")
    assert "world coordinates (WCS) of the two headers disagree with the stars" in " ".join(made.products[1].notes)
    with pytest.raises(UsageError, match="do not agree with the stars"):
        run(Alignment(), {"input_files": [tmp_path / "0.fits", path], "method": "wcs"}, work_dir=tmp_path / "wcs")


def test_world_coordinates_that_do_not_help_are_not_advised(tmp_path):
    other = Field.random(seed=77, side=260, stars_per_side2=60)
    path = star_frames.write(
        tmp_path / "other.fits", star_frames.pixels(other, VIEWS[0], SHAPE, seed=5), wcs=star_frames.sky_wcs(VIEWS[0])
    )
    with pytest.raises(UsageError, match=r'agree.*\. Nor does the method "wcs" help: the world coordinates'):
        run(Alignment(), {"input_files": [frame(tmp_path, 0), path]}, work_dir=tmp_path / "work")


def test_the_wizard_offers_what_can_be_chosen():
    described = Alignment.wizard()["inputs"]
    assert list(described) == ["input_files", "reference_file", "method"]
    assert described["reference_file"]["type"] == "fits"
    assert described["reference_file"]["maximum"] == 1
    assert described["method"]["options"] == ["stars", "wcs"]
    assert described["method"]["default"] == "stars"
