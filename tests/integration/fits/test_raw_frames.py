"""Headers of raw frames read without astropy: the same cards, and astropy is asked whenever there is any doubt."""

import numpy as np
import pytest
from astropy.io import fits

from datalab.fits.files import opened
from datalab.fits.raw_frame import read_raw_frame

PIXELS = np.random.default_rng(3).integers(900, 1100, (40, 50)).astype(np.uint16)


def header(*cards):
    usual = [("OBJECT", "M 51"), ("EXPTIME", 10.0), ("FILTER", "rp", "the filter"), ("GAIN", 1.5), ("SATURATE", 64000)]
    made = fits.Header(usual)
    made.extend(cards)
    return made


def history(made):
    made.add_history("flat-fielded")
    made.add_comment("cloudy")
    made.add_blank()
    made["AFTER"] = 1
    return made


def image(made=None, *, pixels=PIXELS, name="SCI", **options):
    return fits.CompImageHDU(pixels, header() if made is None else made, name=name, **options)


def catalogue(name="CAT"):
    return fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.arange(3.0), unit="pix")], name=name)


def primary(**cards):
    return fits.PrimaryHDU(header=fits.Header(cards))


#: What is read without astropy, by what is unusual about it.
PLAIN = {
    "nothing": lambda: [primary(), image()],
    "signed": lambda: [primary(), image(pixels=PIXELS.astype("i2"))],
    "bytes": lambda: [primary(), image(pixels=(PIXELS % 250).astype("u1"))],
    "long integers": lambda: [primary(), image(pixels=PIXELS.astype("i4"))],
    "no name": lambda: [primary(), image(name="OTHER")],
    "a catalogue behind": lambda: [primary(), image(), catalogue()],
    "a catalogue before": lambda: [primary(), catalogue(), image()],
    "cards of the primary": lambda: [primary(SITEID="sim", OBJECT="not this one", COMMENT="no"), image()],
    "remarks": lambda: [primary(), image(history(header()))],
    "a long text": lambda: [primary(), image(header(("LONG", "much " * 40, "to say")))],
    "words": lambda: [primary(), image(header(("HIERARCH TEL FOCUS POSITION", 3.25, "mm")))],
    "no value": lambda: [primary(), image(header(("EMPTY", None), ("YES", True), ("NAME", "O'Neill")))],
    "keywords like those of tables": lambda: [
        primary(),
        image(header(("TELESCOP", "a"), ("ZENITH", 3), ("TTYPEX", 1), ("ZP", 2))),
    ],
    "an earlier card twice": lambda: [primary(), image(header(("OBJECT", "M 33")))],
    "coordinates": lambda: [
        primary(),
        image(header(("CTYPE1", "RA---TAN"), ("CRVAL1", 1.5e-7), ("CD1_1", -2.055355188e-4))),
    ],
}
#: What is left to astropy.
OTHER = {
    "floats": lambda: [primary(), image(pixels=PIXELS.astype("f4"))],
    "another codec": lambda: [primary(), image(compression_type="GZIP_2")],
    "other tiles": lambda: [primary(), image(tile_shape=(20, 25))],
    "blanks": lambda: [primary(), image(header(("BLANK", -32768)), pixels=PIXELS.astype("i2"))],
    "an image in the primary": lambda: [fits.PrimaryHDU(PIXELS), image(name="OTHER")],
    "two images": lambda: [primary(), image(), image(name="SECOND")],
    "science in a plain image": lambda: [primary(), image(name="OTHER"), fits.ImageHDU(PIXELS, name="SCI")],
    "science in a table": lambda: [primary(), image(name="OTHER"), catalogue("SCI")],
    "three axes": lambda: [primary(), image(pixels=PIXELS[np.newaxis])],
    "no image": lambda: [primary(), catalogue()],
}


def written(tmp_path, hdus, **options):
    path = tmp_path / "a.fits.fz"
    fits.HDUList(hdus).writeto(path, output_verify="ignore", **options)
    return path


def assert_same_as_astropy(path):
    frame = read_raw_frame(path)
    with opened(path) as hdus:
        (index,) = (n for n, hdu in enumerate(hdus) if isinstance(hdu, fits.CompImageHDU))
        assert frame.index == index
        assert frame.primary.tostring(sep="\n") == hdus[0].header.tostring(sep="\n")
        expected = hdus[index].header
        assert frame.header.tostring(sep="\n") == expected.tostring(sep="\n")
        assert repr(list(frame.header.items())) == repr(list(expected.items()))
        assert frame.shape == hdus[index].shape
        tables = [hdu.fileinfo()["hdrLoc"] for hdu in hdus if hdu.name == "CAT"]
        assert frame.catalogue_offset == (tables[0] if tables else None)
        np.testing.assert_array_equal(frame.rows.read(3, 30), hdus[index].data[3:30])


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("checksum", [False, True], ids=["", "checksums"])
def test_the_cards_and_rows_are_those_of_astropy(tmp_path, kind, checksum):
    assert_same_as_astropy(written(tmp_path, PLAIN[kind](), checksum=checksum))


def test_an_image_that_was_a_primary_one_is_again(tmp_path):
    path = written(tmp_path, [primary(), image()])
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        table = hdus[1].header
        place = table.index("ZTENSION")
        del table["ZTENSION"], table["ZPCOUNT"], table["ZGCOUNT"]
        table.insert(place, ("ZSIMPLE", True, "file does conform to FITS standard"))
        table.insert(place + 1, ("ZEXTEND", True, "may contain extensions"))
    assert_same_as_astropy(path)


@pytest.mark.parametrize("kind", OTHER)
def test_everything_else_is_left_to_astropy(tmp_path, kind):
    assert read_raw_frame(written(tmp_path, OTHER[kind]())) is None


@pytest.mark.parametrize(
    "damage",
    [
        (b"NAXIS2  =                   40", b"NAXIS2  =                   4x"),
        (b"NAXIS2  =                   40", b"NAXIS2  =                  -40"),
        (b"NAXIS2  =                   40", b"NAXIS2  =            999999999"),
        (b"ZNAXIS1 =                   50", b"ZNAXIS1 =                 50.5"),
        (b"ZNAXIS2 =", b"ZNAXIS1 ="),
        (b"TFORM1  =", b"TFORM7  ="),
        (b"ZBITPIX =                   16", b"ZBITPIX =                  'a'"),
        (b"XTENSION= 'BINTABLE'", b"XTENSION= 'FOREIGN '"),
        (b"END" + b" " * 77, b"   " + b" " * 77),
    ],
    ids=lambda damage: damage[1].decode().strip() or "END",
)
def test_what_is_damaged_is_left_to_astropy(tmp_path, damage):
    path = written(tmp_path, [primary(), image()])
    before, after = damage
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    assert read_raw_frame(path) is None


@pytest.mark.parametrize("length", [0, 100, 2880, 5000, 5760, 6500])
def test_what_is_cut_short_is_left_to_astropy(tmp_path, length):
    path = written(tmp_path, [primary(), image()])
    path.write_bytes(path.read_bytes()[:length])
    assert read_raw_frame(path) is None
