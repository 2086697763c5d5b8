"""What stored numbers mean, against the formula of FITS Standard 4.0, section 5.3, in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from datalab.errors import UsageError
from datalab.fits.scaling import Scaling

STORED = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
#: BZERO for signs turned (table 11 of the standard), shifts, and BSCALE of both signs, small and large.
SCALES = {
    "none": (1, 0),
    "sign 8": (1, -128),
    "sign 16": (1, 2**15),
    "sign 32": (1, 2**31),
    "sign 64": (1, 2**63),
    "shifted": (1, 100),
    "shifted far": (1, 10**8),
    "scaled": (0.5, 0),
    "scaled and shifted": (0.25, -1000.5),
    "fine and far": (1e-3, 5e5),
    "turned": (-2, 7),
    "huge": (1e30, 0),
    "tiny": (1e-45, 0),
}


def card(keyword, value):
    return f"{keyword:8}= {value}".ljust(80)


def numbers(bitpix):
    if bitpix < 0:
        return np.array([-1.5, 0.0, 1.0, 12.25, 3e4, np.nan, np.inf], STORED[bitpix])
    limits = np.iinfo(STORED[bitpix])
    return np.array([limits.min, limits.min + 1, 0, 1, 99, limits.max - 1, limits.max], STORED[bitpix])


@pytest.mark.parametrize("bitpix", STORED)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("blank", [None, 0, 99, "lowest", "highest"])
def test_pixels_are_scale_times_stored_plus_zero(bitpix, scale, blank):
    bscale, bzero = SCALES[scale]
    stored = numbers(bitpix)
    if isinstance(blank, str):
        blank = int(stored[0] if blank == "lowest" else stored[-1]) if bitpix > 0 else 5
    text = card("BSCALE", bscale) + card("BZERO", bzero) + ("" if blank is None else card("BLANK", blank))
    scaling = Scaling.of(text, bitpix=bitpix)
    pixels = scaling.meant(stored.astype(stored.dtype.newbyteorder(">")))
    assert (pixels.dtype, pixels.dtype.isnative) == (scaling.dtype, True)
    for number, pixel in zip(stored.tolist(), pixels.tolist(), strict=True):
        if bitpix > 0 and number == blank:
            assert np.isnan(pixel)
        elif not np.isfinite(number):
            np.testing.assert_equal(pixel, number * bscale)
        else:
            exact = Fraction(bscale) * Fraction(number) + Fraction(bzero)
            assert pixel == pytest.approx(float(exact), rel=3e-7, abs=0), (number, exact)
            if 0 < bitpix < 64 and abs(bzero) < 2**50 * abs(bscale):  # two neighbours stay apart
                assert abs(Fraction(pixel) - exact) <= abs(Fraction(bscale)) / 8


@pytest.mark.parametrize("bitpix", [8, 16, 32, 64])
def test_turned_signs_are_the_integers_they_stand_for(bitpix):
    zero = -128 if bitpix == 8 else 2 ** (bitpix - 1)
    scaling = Scaling.of(card("BZERO", f"{float(zero):.1f}"), bitpix=bitpix)
    assert scaling.dtype == {8: "i1", 16: "u2", 32: "u4", 64: "u8"}[bitpix]
    assert scaling.meant(numbers(bitpix)).tolist() == [number + zero for number in numbers(bitpix).tolist()]
    assert scaling.notes == ()


@pytest.mark.parametrize(
    ("cards", "bitpix", "meant", "noted"),
    [
        ([("BZERO", "'32768'")], 16, 32868, "BZERO: '32768' is text"),
        ([("BZERO", "'32768,0'")], 16, 32868, "BZERO"),
        ([("BZERO", "32768,0")], 16, 32868, "BZERO"),
        ([("BSCALE", "'0,5'")], 16, 50, "BSCALE"),
        ([("BSCALE", "5.0D-1")], 16, 50, None),
        ([("BSCALE", "")], 16, 100, "BSCALE: has no value, 1 is assumed"),
        ([("BSCALE", "2.0"), ("BSCALE", "3.0")], 16, 300, "BSCALE: comes with several values"),
        ([("BSCALE", "2.0"), ("BSCALE", "2.0")], 16, 200, None),
        ([("BLANK", "100")], 16, None, None),
        ([("BLANK", "100.0")], 16, None, "BLANK"),
        ([("BLANK", "'100'")], 16, None, "BLANK"),
        ([("BLANK", "100.5")], 16, 100, "BLANK: 100.5 is no whole number: left out"),
        ([("BLANK", "'none'")], 16, 100, "BLANK: 'none' is no whole number: left out"),
        ([("BLANK", "99999")], 16, 100, "BLANK: 99999 is no value of pixels of 16 bits: left out"),
        ([("BLANK", "-1")], 8, 100, "BLANK: -1 is no value of pixels of 8 bits: left out"),
        ([("BLANK", "100")], -32, 100, "BLANK: 100 on floating-point pixels"),
        ([("BZERO", "32768")], -32, 32868, "BZERO: 32768 on floating-point pixels"),
    ],
)
def test_what_is_written_otherwise_is_read_or_left_out_and_noted(cards, bitpix, meant, noted):
    scaling = Scaling.of("".join(card(*each) for each in cards), bitpix=bitpix)
    (pixel,) = scaling.meant(np.array([100], STORED[bitpix])).tolist()
    np.testing.assert_equal(pixel, np.nan if meant is None else meant)
    assert [note[: len(noted or "")] for note in scaling.notes] == ([] if noted is None else [noted])


@pytest.mark.parametrize("value", ["'abc'", "abc", "0", "0.0", "T", "NaN", "1.2.3", "'1,2,3'"])
def test_pixels_nobody_can_know_are_refused(value):
    with pytest.raises(UsageError, match=r"BSCALE is .*nothing is known of the pixels"):
        Scaling.of(card("BSCALE", value), bitpix=16)


def test_zblank_stands_for_blank_in_compressed_integers_only():
    text = card("ZBLANK", 7)
    assert Scaling.of(text, bitpix=16, is_compressed=True).blank == 7
    assert Scaling.of(text, bitpix=16).blank is None
    assert Scaling.of(text, bitpix=-32, is_compressed=True).notes == ()
