"""Which image of a file is the science image, by operations, cutouts and ingest alike."""

import contextlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.wcs import WCS

from datalab.astro.sky.wcs import celestial_wcs, footprint
from datalab.documents.file_names import Content
from datalab.errors import UsageError
from datalab.fits.image import FitsImage
from datalab.fits.parts import PartialImage
from datalab.fits.stored import NotInPartsError
from ingest.inspection.file import inspect_file
from support.fits_files import image_header

SHAPE = (24, 30)
SKY = np.random.default_rng(3).normal(1000, 20, SHAPE).astype("f4")
BAD = np.zeros(SHAPE, "u1")
BAD[3, 5] = BAD[20:, 29] = 1
PLANES = np.stack([SKY, 2 * SKY, 3 * SKY])


def primary(pixels=None, **cards):
    return fits.PrimaryHDU(pixels, fits.Header(cards))


def image(pixels, name=None, **cards):
    return fits.ImageHDU(pixels, fits.Header(cards), name=name)


def packed(pixels, name=None, kind="RICE_1", *, cards=None, **options):
    return fits.CompImageHDU(pixels, fits.Header(cards or {}), name=name, compression_type=kind, **options)


class Bytes:
    def __init__(self, data):
        self.data, self.size_bytes = data, len(data)

    def read(self, offset, length):
        return self.data[offset : offset + length]


def outcome(call):
    """Return what a call returns, or why it refuses to."""
    try:
        return call(), None
    except UsageError as error:
        return None, error.message


def as_operations_see_it(path, work_dir, plane):
    with contextlib.closing(FitsImage("f", path, work_dir=work_dir, plane=plane)) as opened:
        pixels = opened.pixels()
        bands = [opened.rows(row, min(row + 5, opened.shape[0])) for row in range(0, opened.shape[0], 5)]
        np.testing.assert_array_equal(np.concatenate(bands), pixels)
        assert (pixels.shape, pixels.dtype) == (opened.shape, opened.dtype)
        return SimpleNamespace(
            pixels=pixels, header=opened.header, notes=opened.notes, mask=opened.mask(), shape=opened.shape
        )


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a file in every way there is, and tells what all of them agree on."""

    def read_alike(hdus, *, change=lambda data: data, plane=None, checksum=False):
        path = tmp_path / "file.fits"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)
            fits.HDUList(hdus).writeto(path, overwrite=True, output_verify="ignore", checksum=checksum)
        path.write_bytes(change(path.read_bytes()))
        work_dir = tmp_path / "work"
        work_dir.mkdir(exist_ok=True)
        ingest, refused = outcome(lambda: inspect_file(path, Content.FITS, "", max_expanded_bytes=2**24).header)
        runner, refused_too = outcome(lambda: as_operations_see_it(path, work_dir, plane))
        assert refused_too == (refused and f"The input file f cannot be read: {refused}")
        if refused is not None:
            raise UsageError(refused)
        with contextlib.suppress(NotInPartsError):
            part = PartialImage(basename="f", sha256="0" * 64, source=Bytes(path.read_bytes()))
            assert part.shape == runner.shape
            box = part.box((1, part.shape[0]), (2, part.shape[1] - 1))
            np.testing.assert_array_equal(box, runner.pixels[1:, 2:-1])
        assert (ingest.cards["NAXIS"], ingest.cards["NAXIS2"], ingest.cards["NAXIS1"]) == (2, *runner.shape)
        own = set(ingest.notes if plane in (None, "green") else ())
        assert own <= set(runner.notes), "operations note what ingest notes"
        runner.footprint = ingest.footprint
        return runner

    return read_alike


# --- masks, weights and errors are no science image


AUXILIARY = ["MASK", "WEIGHT", "ERR", "VAR", "DQ", "BPM", "UNCERT", "WHT", "IVAR", "SCI_ERR", "DQ1", "BADPIX", "SEGM"]


@pytest.mark.parametrize("name", AUXILIARY)
@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_no_image_of_the_sky_never_is_the_science_image(read, name, compressed):
    other = packed(BAD, name) if compressed else image(BAD, name)
    for hdus in ([primary(), other, image(SKY, "DATA")], [primary(), other, image(SKY)], [primary(SKY), other]):
        found = read(hdus)
        np.testing.assert_array_equal(found.pixels, SKY)
    with pytest.raises(UsageError, match=f"no image of the sky, only HDU 1 .{name}"):
        read([primary(), other])
    with pytest.raises(UsageError, match="dimensions"):
        read([primary(np.zeros((5, *SHAPE), "f4")), other])


def test_a_kind_may_be_said_in_other_cards_than_the_name(read):
    for card in ({"HDUCLAS2": "QUALITY"}, {"EXTTYPE": "MASK"}, {"HDUCLAS2": "ERROR"}, {"EXTTYPE": "VARIANCE"}):
        found = read([primary(), image(BAD, "ONE", **card), image(SKY, "TWO")])
        np.testing.assert_array_equal(found.pixels, SKY)


def test_a_frame_of_bad_pixels_that_says_so_is_one(read):
    for hdus in ([primary(), image(BAD, "BPM", OBSTYPE="BPM")], [primary(IMAGETYP="Bad Pixel Mask"), image(BAD, "DQ")]):
        np.testing.assert_array_equal(read(hdus).pixels, BAD)


def test_further_images_are_noted(read):
    found = read([primary(SKY), image(2 * SKY, "STARLESS"), image(BAD, "MASK")])
    np.testing.assert_array_equal(found.pixels, SKY)
    assert found.notes == ("HDU 1 (STARLESS): further images, not used",)


def test_images_made_of_one_image_are_no_parts_of_another(read):
    section = {"CCDSEC": "[1:30,1:24]"}
    found = read([primary(SKY, **section), image(2 * SKY, "STARLESS", **section)])
    np.testing.assert_array_equal(found.pixels, SKY)
    assert found.notes == ("HDU 1 (STARLESS): further images, not used",)


# --- masks are offered


@pytest.mark.parametrize("name", ["MASK", "BPM", "DQ", "bpm ", "BADPIX", "FLAGS"])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "RICE_1", "PLIO_1"])
def test_masks_say_where_pixels_are_bad(read, name, kind):
    mask = image((7 * BAD).astype(kind), name) if len(kind) == 2 else packed((7 * BAD).astype("i2"), name, kind)
    found = read([primary(), image(SKY, "SCI"), mask])
    np.testing.assert_array_equal(found.mask, BAD > 0)
    assert found.notes == ()


def test_masks_of_several_kinds_count_together_and_those_of_other_sizes_not(read):
    other = np.zeros_like(BAD)
    other[0, 0] = 4
    found = read([primary(), image(SKY, "SCI"), image(BAD, "BPM"), image(other, "DQ"), image(BAD[1:], "MASK")])
    np.testing.assert_array_equal(found.mask, (BAD > 0) | (other > 0))
    assert found.notes == ("HDU 4 (MASK): of another size than the image, not used as a mask",)
    assert read([primary(), image(SKY, "SCI"), image(SKY, "ERR")]).mask is None


def test_bits_that_tell_of_sources_are_no_fault(read):
    mask = np.array(32 * (SKY > 1000) + BAD, "i4")
    found = read([primary(), image(SKY, "IMAGE"), image(mask, "MASK", MP_BAD=0, **{"HIERARCH MP_DETECTED": 5})])
    np.testing.assert_array_equal(found.mask, BAD > 0)


# --- axes of one pixel, colours


@pytest.mark.parametrize("axes", [(1,), (1, 1)])
@pytest.mark.parametrize("compressed", [False, True])
def test_axes_of_one_pixel_do_not_count(read, axes, compressed):
    cards = dict(image_header(CTYPE3="STOKES", CRVAL3=1.0, CDELT3=1.0, CRPIX3=1.0, WCSAXES=2 + len(axes)))
    pixels = SKY.reshape(*axes, *SHAPE)
    if compressed:
        hdus = [primary(), packed(pixels, "SCI", "GZIP_2", cards=cards, quantize_level=0)]
    else:
        hdus = [primary(pixels, **cards)]
    found = read(hdus)
    np.testing.assert_array_equal(found.pixels, SKY)
    assert [note.partition(":")[0] for note in found.notes] == ["NAXIS"]
    flat = celestial_wcs(image_header(), SHAPE)
    wcs = celestial_wcs(found.header, SHAPE)
    np.testing.assert_allclose(wcs.wcs_pix2world([[3, 4]], 0), flat.wcs_pix2world([[3, 4]], 0))
    assert found.footprint == tuple(map(tuple, footprint(image_header(), SHAPE)))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("plane", "factor"), [("green", 2), ("red", 1), ("blue", 3), ("luminance", 2)])
def test_colour_images_are_used_by_a_plane_or_by_their_mean(read, compressed, plane, factor):
    cards = dict(image_header(GAIN=2.0, RDNOISE=5.0))
    options = {"quantize_level": 0}
    hdus = (
        [primary(), packed(PLANES, None, "GZIP_1", cards=cards, **options)]
        if compressed
        else [primary(PLANES, **cards)]
    )
    found = read(hdus, plane=plane)
    np.testing.assert_allclose(found.pixels, factor * SKY, rtol=1e-6)
    assert found.notes[0].startswith("NAXIS: a colour image of 3 planes, of which ")
    assert plane in found.notes[0]
    assert found.header["GAIN"] == (6 if plane == "luminance" else 2)
    assert found.header["RDNOISE"] == pytest.approx(5 * 3**0.5 if plane == "luminance" else 5)
    assert "NAXIS3" not in found.header
    assert len(found.footprint) == 4


def test_the_mean_of_planes_is_saturated_where_one_of_them_is(read):
    planes = np.full((3, *SHAPE), 100, "u2")
    planes[0, 4, 4] = 65535
    found = read([primary(planes, SATURATE=60000)], plane="luminance")
    assert found.pixels[4, 4] == 65535
    assert np.count_nonzero(found.pixels == 100) == found.pixels.size - 1


def test_colours_of_a_pixel_may_stand_together(read):
    found = read([primary(np.moveaxis(PLANES, 0, 2).copy(), **dict(image_header()))])
    np.testing.assert_array_equal(found.pixels, 2 * SKY)
    assert found.notes[0] == "NAXIS: a colour image of 3 numbers for each pixel, of which number 2 (green) is used"
    assert "left out" in found.notes[1]
    assert found.footprint is None


@pytest.mark.parametrize("kind", ["FREQ", "STOKES", "VELO-LSR", "TIME"])
def test_planes_that_are_no_colours_are_refused(read, kind):
    with pytest.raises(UsageError, match=f"3 planes are no colours but {kind}"):
        read([primary(PLANES, CTYPE3=kind)])


@pytest.mark.parametrize("count", [2, 4, 7])
def test_other_numbers_of_planes_are_refused(read, count):
    with pytest.raises(UsageError, match=f"3 dimensions .30 x 24 x {count}.; only images of two"):
        read([primary(np.zeros((count, *SHAPE), "i2"))])


# --- amplifiers


AMPLIFIER_SHAPE = (10, 12)


def detector():
    return (np.arange(480).reshape(20, 24) * 3 + 7).astype("u2")


def amplifiers(*, compressed=False, binning=1, **cards):
    """Return a detector read by four amplifiers in its corners, each with two columns of overscan before the data."""
    whole = detector()
    hdus = []
    for number, (up, right) in enumerate([(0, 0), (0, 1), (1, 1), (1, 0)], start=1):
        rows = slice(19, 9, -1) if up else slice(0, 10)
        columns = slice(23, 11, -1) if right else slice(0, 12)
        data = np.hstack([np.full((10, 2), 500, "u2"), whole[rows, columns]])
        x = (24 * binning, 12 * binning + 1) if right else (1, 12 * binning)
        y = (20 * binning, 10 * binning + 1) if up else (1, 10 * binning)
        header = {
            "EXTVER": number,
            "DETSEC": f"[{x[0]}:{x[1]},{y[0]}:{y[1]}]",
            "DATASEC": "[3:14,1:10]",
            "BIASSEC": "[1:2,1:10]",
            "CCDSUM": f"{binning} {binning}",
            "GAIN": 1.0 + number / 10,
            "SATURATE": 60000 - number,
            "OBJECT": "M 51",
            **corner_wcs(up, right),
            **cards,
        }
        header = {key: value for key, value in header.items() if value is not None}
        hdus.append(packed(data, "SCI", cards=header) if compressed else image(data, "SCI", **header))
    return [primary(), *hdus]


def corner_wcs(up, right):
    """Return the world coordinates of an amplifier, as those of the whole detector are."""
    matrix = np.array([[-2e-4, 3e-5], [3e-5, 2e-4]])
    x, y = 12.5 + 0.3, 9.5  # the reference pixel on the detector, from 1
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 202.0,
        "CRVAL2": 47.0,
        "CRPIX1": 2 + (25 - x if right else x),
        "CRPIX2": 21 - y if up else y,
        **{f"CD{i + 1}_{j + 1}": matrix[i, j] * (-1 if (right, up)[j] else 1) for i in (0, 1) for j in (0, 1)},
    }


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("binning", [1, 2])
@pytest.mark.parametrize("first", range(4))
def test_amplifiers_are_put_together_where_they_say_they_belong(read, compressed, binning, first):
    begin, *images = amplifiers(compressed=compressed, binning=binning)
    found = read([begin, *images[first:], *images[:first]])
    np.testing.assert_array_equal(found.pixels, detector())
    assert found.header["OBJECT"] == "M 51"
    wcs = WCS(found.header)
    np.testing.assert_allclose(wcs.wcs.crpix, [12.8, 9.5])
    np.testing.assert_allclose(wcs.wcs.cd, [[-2e-4, 3e-5], [3e-5, 2e-4]])
    assert found.header["GAIN"] == pytest.approx(1.25)
    assert found.header["SATURATE"] == 59996
    assert found.header["DETSEC"] == f"[1:{24 * binning},1:{20 * binning}]"
    assert "BIASSEC" not in found.header
    assert [note.split(":")[0] for note in found.notes] == ["DETSEC", "DATASEC", "GAIN", "SATURATE"]
    assert len(found.footprint) == 4


def test_amplifiers_without_places_are_refused_and_not_taken_for_the_whole(read):
    for gone in ({"DETSEC": None}, {"DETSEC": "N/A"}, {"DETSEC": "[0:5,1:2]"}):
        with pytest.raises(UsageError, match=r"4 science images, HDU 1 .SCI.* and no DETSEC or CCDSEC says how"):
            read(amplifiers(**gone))
    with pytest.raises(UsageError, match="DETSEC overlap"):
        read(amplifiers(DETSEC="[1:12,1:10]"))
    with pytest.raises(UsageError, match="not as large as the pixels that belong there"):
        read(amplifiers(DATASEC="[3:13,1:10]"))


def test_trimsec_stands_in_for_datasec_and_ccdsec_for_detsec(read):
    hdus = amplifiers(DATASEC=None, TRIMSEC="[3:14,1:10]")
    for hdu in hdus[1:]:
        hdu.header["CCDSEC"] = hdu.header.pop("DETSEC")
    np.testing.assert_array_equal(read(hdus).pixels, detector())


def test_gaps_between_amplifiers_are_blank(read):
    begin, first, _, third, fourth = amplifiers()
    found = read([begin, first, third, fourth])
    whole = detector().astype("f4")
    whole[:10, 12:] = np.nan
    np.testing.assert_array_equal(found.pixels, whole)
    assert "DETSEC: gaps between the images are blank" in found.notes


def test_masks_of_amplifiers_are_put_together_like_them(read):
    hdus = amplifiers()
    masks = []
    for number in range(1, 5):
        mask = np.zeros((10, 14), "u1")
        mask[0, 2] = mask[5, 0] = 1  # a corner of the detector, and overscan
        masks.append(image(mask, f"BPM{number}"))
    corners = np.zeros((20, 24), bool)
    corners[[0, 0, 19, 19], [0, 23, 0, 23]] = True
    np.testing.assert_array_equal(read([*hdus, *masks]).mask, corners)


def test_numbered_images_are_parts_of_one_too(read):
    hdus = amplifiers()
    for number, hdu in enumerate(hdus[1:], start=1):
        hdu.name = f"im{number}"
    np.testing.assert_array_equal(read(hdus).pixels, detector())
    for hdu in hdus[1:]:
        del hdu.header["DETSEC"]
    with pytest.raises(UsageError, match=r"4 science images, HDU 1 .IM1., HDU 2 .IM2."):
        read(hdus)


# --- files that are not as they should be


def replaced(old, new):
    def change(data):
        assert data.count(old.encode()) == 1
        return data.replace(old.encode(), new.encode().ljust(len(old)))

    return change


def test_a_file_that_does_not_claim_to_be_fits_is_read_and_noted(read):
    simple = replaced("SIMPLE  =                    T", "SIMPLE  =                    F")
    for hdus in (
        [primary(SKY)],
        [primary(), image(SKY, "SCI")],
        [primary(), packed(SKY, kind="GZIP_2", quantize_level=0)],
    ):
        found = read(hdus, change=simple)
        np.testing.assert_array_equal(found.pixels, SKY)
        assert found.notes == ("SIMPLE: F, the file does not claim to follow the standard; read as if it did",)


@pytest.mark.parametrize("value", ["'0,5'", "0,5", "'0.5'"])
@pytest.mark.parametrize("compressed", [False, True])
def test_scales_as_text_are_read_and_noted(read, value, compressed):
    pixels = np.arange(720, dtype="i2").reshape(SHAPE)
    cards = {"PLACE": 0.5}
    hdus = [primary(), packed(pixels, "SCI", cards=cards) if compressed else image(pixels, "SCI", **cards)]
    found = read(hdus, change=replaced(f"PLACE   = {0.5:20}", f"BSCALE  = {value}"))
    np.testing.assert_array_equal(found.pixels, pixels * 0.5)
    assert [note.partition(":")[0] for note in found.notes].count("BSCALE") >= 1


@pytest.mark.parametrize("compressed", [False, True])
def test_pixels_of_no_known_scale_are_refused_by_all_with_one_text(read, compressed):
    pixels = np.arange(720, dtype="i2").reshape(SHAPE)
    cards = {"PLACE": 0.5}
    hdus = [primary(), packed(pixels, "SCI", cards=cards) if compressed else image(pixels, "SCI", **cards)]
    with pytest.raises(UsageError, match="BSCALE is 'unknown', no number"):
        read(hdus, change=replaced(f"PLACE   = {0.5:20}", "BSCALE  = 'unknown'"))


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "u1"])
@pytest.mark.parametrize("kind", [None, "RICE_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("blank", [0, 7])
def test_blank_pixels_are_blank_whatever_their_type_and_codec(read, dtype, kind, blank):
    pixels = (np.arange(720) % 40).reshape(SHAPE).astype(dtype)
    offset = 2 ** (8 * np.dtype(dtype).itemsize - 1) if dtype in ("u2", "u4") else 0
    cards = {"BLANK": blank - offset}
    hdu = packed(pixels, "SCI", kind, cards=cards) if kind else image(pixels, "SCI", **cards)
    found = read([primary(), hdu])
    np.testing.assert_array_equal(found.pixels, np.where(pixels == blank, np.nan, pixels))


@pytest.mark.parametrize(("kind", "level"), [(None, 0), ("RICE_1", 16), ("GZIP_1", 0), ("GZIP_2", 16)])
def test_blank_on_floats_is_left_out_and_noted(read, kind, level):
    place = {"PLACE": 3}
    options = {"quantize_level": level, "quantize_method": 1, "dither_seed": 1}
    hdu = packed(SKY, "SCI", kind, cards=place, **options) if kind else image(SKY, "SCI", **place)
    found = read([primary(), hdu], change=replaced("PLACE   =", "BLANK   ="))
    np.testing.assert_allclose(found.pixels, SKY, atol=20 if level and kind else 0)
    assert found.notes == ("BLANK: 3 on floating-point pixels, which have NaN for it: left out",)


@pytest.mark.parametrize("form", ["plain", "raw", "packed"])
def test_sums_that_do_not_fit_the_data_are_noted(read, form):
    pixels = (SKY * 10).astype("u2")
    hdu = {
        "plain": lambda: image(pixels, "SCI"),
        "raw": lambda: packed(pixels, "SCI"),
        "packed": lambda: packed(pixels, "SCI", "GZIP_1"),
    }[form]()
    hdus = [primary(), hdu]
    assert read(hdus, checksum=True).notes == ()

    def flipped(data):
        """Change a bit in what fills the last block: the pixels stay as they are."""
        return data[:-1] + bytes([data[-1] ^ 1])

    assert read(hdus, change=flipped, checksum=True).notes == (
        "DATASUM: the data of HDU 1 (SCI) are not those the file was written with",
    )

    def renamed(data):
        return data.replace(b"'SCI     '", b"'sci     '")

    assert read(hdus, change=renamed, checksum=True).notes == (
        "CHECKSUM: the header of HDU 1 (sci) is not the one the file was written with",
    )
