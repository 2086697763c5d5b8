"""Damaged and hostile files: what can be saved is saved and the rest is told; what cannot is refused with its reason.

FITS 4.0, sections 3 (blocks), 4.1 and 4.2 (cards), 4.4 (keywords).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.building import BLOCK, CARD, Cards, Raw, cards_of, data, extension, file, header, made, primary
from corpus.compressions import FILES as PACKED
from corpus.model import PIXELS, UNASKED, File, refused, right

_CARDS = "FITS 4.0, section 4.2"


def _ordinary(**changes: Any) -> bytes:
    return primary(changes)


def _with_card(text: str, keyword: str) -> Callable[[], bytes]:
    """Return the ordinary file with the card of a keyword overwritten."""

    def build() -> bytes:
        content = _ordinary()
        place = content.index(keyword.ljust(8).encode() + b"=")
        return content[:place] + text.encode("cp1252").ljust(CARD) + content[place + CARD :]

    return build


def _told(name: str, build: Callable[[], bytes], **said: Any) -> File:
    return made(f"{name}.fits", right(**said), build)


def _refused(name: str, build: Callable[[], bytes], pattern: str, **said: Any) -> File:
    name = name if "." in name else f"{name}.fits"
    return made(name, refused(pattern, **said), build)


def _misnamed(name: str, build: Callable[[], bytes], pattern: str) -> File:
    """Return a file that is not what its name says; the runner, which looks inside, never gets it."""
    return File(name=name, build=build, right=refused(pattern), for_the_runner=False)


def _reordered() -> bytes:
    cards = Cards([("SIMPLE", True), ("NAXIS", 2), ("BITPIX", 16), ("NAXIS2", 6), ("NAXIS1", 8), *cards_of({})])
    return header(cards) + data(PIXELS)


def _filled_header() -> bytes:
    """Return a file whose END is the last card of a block."""
    cards = cards_of({})
    filled = Cards([*cards, *[("HISTORY", f"line {number}") for number in range(BLOCK // CARD - 7 - len(cards))]])
    content = primary(filled)
    assert content[BLOCK - CARD : BLOCK].startswith(b"END")
    return content


CARDS = [
    file(
        "unquoted-target",
        right(target="M 51", noted=("OBJECT",), may_be_left_out=("target",), source=_CARDS),
        {"OBJECT": Raw("M 51")},
    ),
    file(
        "unquoted-filter",
        right(filter_name="rp", noted=("FILTER",), may_be_left_out=("filter_name",), source=_CARDS),
        {"FILTER": Raw("rp")},
    ),
    file(
        "letters-beyond-ascii",
        right(
            target=UNASKED,
            noted=("OBJECT",),  # nobody knows which letters were meant
            source="FITS 4.0, section 4.2.1.1: ASCII 32 to 126",
        ),
        {"OBJECT": Raw("'L0\N{MICRO SIGN}'")},
    ),
    file(
        "open-quote",
        right(target=None, noted=("OBJECT",), may_be_left_out=("target",), source=_CARDS),
        {"OBJECT": Raw("'M 51")},
    ),
    file(
        "nan-unquoted",
        right(airmass=None, noted=("AIRMASS",), source="FITS 4.0, section 4.2.4: no such number"),
        {"AIRMASS": Raw("nan")},
    ),
    file("number-beyond-doubles", right(airmass=None, noted=("AIRMASS",)), {"AIRMASS": Raw("1.0E+999")}),
    file("integer-beyond-64-bits", right(may_be_noted=("SERIAL",)), {"SERIAL": Raw("123456789012345678901234567890")}),
    file(
        "complex-number",
        right(may_be_noted=("PSFMOM",), source="FITS 4.0, section 4.2.5"),
        {"PSFMOM": Raw("(1.0, 2.0)")},
    ),
    file(
        "no-blank-behind-equals",
        right(
            exposure_s=45.0,
            noted=("EXPTIME",),
            may_be_left_out=("exposure_s", "middle"),
            source="FITS 4.0, section 4.1.2.2: '= ' in columns 9 and 10",
        ),
        Cards([*[each for each in cards_of({}) if each[0] != "EXPTIME"], ("", "EXPTIME =45.0")]),
    ),
    file(
        "lower-case-keyword",
        right(
            exposure_s=45.0,
            noted=("EXPTIME",),
            may_be_left_out=("exposure_s", "middle"),
            source="FITS 4.0, section 4.1.2.1",
        ),
        Cards([*[each for each in cards_of({}) if each[0] != "EXPTIME"], ("", "exptime =                 45.0")]),
    ),
    file(
        "equals-in-another-column",
        right(
            exposure_s=45.0,
            noted=("EXPTIME",),
            may_be_left_out=("exposure_s", "middle"),
            source="FITS 4.0, section 4.1.2.2",
        ),
        Cards([*[each for each in cards_of({}) if each[0] != "EXPTIME"], ("", "EXPTIME = = 45.0")]),
    ),
    file(
        "free-format",
        right(exposure_s=45.0, source="FITS 4.0, section 4.2.1: free format"),
        {"EXPTIME": Raw("45.0/seconds")},
    ),
    file("plus-sign", right(exposure_s=45.0, source="FITS 4.0, section 4.2.4"), {"EXPTIME": Raw("+4.5E+1")}),
    file("hierarch", right(source="registry of FITS conventions: HIERARCH"), {"ESO DET CHIP1 NAME": "Ada"}),
    file(
        "comments-and-history",
        right(),
        Cards([*cards_of({}), ("COMMENT", "one = 1"), ("HISTORY", "EXPTIME = 99"), ("", "")]),
    ),
    file("history-with-quotes", right(), Cards([*cards_of({}), ("HISTORY", "'unclosed"), ("COMMENT", "/ = ' /")])),
    file(
        "card-without-a-value", right(may_be_noted=("OBSERVER", "card")), Cards([*cards_of({}), ("", "OBSERVER Ada")])
    ),
    file(
        "continue-of-nothing",
        right(may_be_noted=("CONTINUE", "card")),
        Cards([*cards_of({}), ("", "CONTINUE  'of nothing'")]),
    ),
    file(
        "tabulator",
        right(target=UNASKED, noted=("OBJECT",), source="FITS 4.0, section 4.2.1.1"),  # a blank was meant, or nothing
        {"OBJECT": Raw("'M\t51'")},
    ),
    file("undefined-target", right(target=None, source="FITS 4.0, section 4.1.2.3: undefined"), {"OBJECT": Raw("")}),
    file(
        "empty-target",
        right(target=None, source="FITS 4.0, section 4.2.1.1: null string", may_be_noted=("OBJECT",)),
        {"OBJECT": ""},
    ),
    file("target-of-blanks", right(target=None, may_be_noted=("OBJECT",)), {"OBJECT": "        "}),
    file("target-that-is-a-number", right(target="51", may_be_noted=("OBJECT",)), {"OBJECT": 51}),
    _told(
        "naxis-late",
        _reordered,
        may_be_noted=("NAXIS", "BITPIX"),
        source="FITS 4.0, section 4.4.1.1: the order is fixed",
    ),
    _told(
        "nul-in-a-card",
        _with_card("AIRMASS = 1.21\0\0\0", "AIRMASS"),
        may_be_noted=("AIRMASS",),
        may_be_left_out=("airmass",),
    ),
    _told("no-space-for-end", _filled_header, source="FITS 4.0, section 3.3.1"),
]

SHAPES = [
    _told("last-block-short", lambda: _ordinary()[: BLOCK + PIXELS.nbytes + 10], noted=("last block",)),
    _told("no-fill-at-all", lambda: _ordinary()[: BLOCK + PIXELS.nbytes], noted=("last block",)),
    _told("junk-behind", lambda: _ordinary() + b"junk", noted=("not FITS",)),
    _told("zeros-behind", lambda: _ordinary() + bytes(BLOCK)),
    _told("blanks-behind", lambda: _ordinary() + b" " * BLOCK),
    _refused("extension-cut-off", lambda: _ordinary() + extension("LATER")[:200], "HDU 1|ends"),
    _refused("empty-file", lambda: b"", "SIMPLE|empty|FITS|ends"),
    _refused("no-fits", lambda: b"GIF89a" + bytes(3000), "SIMPLE"),
    _refused("words", lambda: b"<html><body>404 Not Found</body></html>", "SIMPLE"),
    _refused("half-a-header", lambda: _ordinary()[:1000], "header"),
    _refused("header-without-end", lambda: _ordinary()[:BLOCK].replace(b"END".ljust(CARD), b" " * CARD), "END|header"),
    _refused("half-the-pixels", lambda: _ordinary()[: BLOCK + 40], "ends|declares"),
    _refused("no-pixels", lambda: _ordinary()[:BLOCK], "ends|declares"),
    _refused("naxis1-negative", _with_card(f"NAXIS1  = {-8:>20}", "NAXIS1"), "NAXIS1"),
    _refused("naxis1-as-text", _with_card("NAXIS1  = '8       '", "NAXIS1"), "NAXIS1"),
    _refused("naxis1-as-float", _with_card(f"NAXIS1  = {8.5:>20}", "NAXIS1"), "NAXIS1"),
    _refused("naxis2-missing", _with_card("COMMENT", "NAXIS2"), "NAXIS2"),
    _refused("naxis-of-a-thousand", _with_card(f"NAXIS   = {1000:>20}", "NAXIS"), "NAXIS"),
    _refused("bitpix-17", _with_card(f"BITPIX  = {17:>20}", "BITPIX"), "BITPIX"),
    _refused("bitpix-missing", _with_card("COMMENT", "BITPIX"), "BITPIX"),
    _refused("naxis1-enormous", _with_card(f"NAXIS1  = {10**18:>20}", "NAXIS1"), "ends|declares|cannot"),
    _refused(
        "pcount-enormous", lambda: _ordinary() + extension("X", {}, PIXELS, PCOUNT=10**15), "ends|declares|cannot"
    ),
    _refused("gcount-negative", lambda: _ordinary() + extension("X", {}, PIXELS, GCOUNT=-1), "GCOUNT"),
]


def _sums(datasum: str, checksum: str | None = None) -> Callable[[], bytes]:
    cards = {"DATASUM": datasum} | ({} if checksum is None else {"CHECKSUM": checksum})
    return lambda: primary(cards)


def _datasum(stored: bytes) -> int:
    """Return the sum of section 4.4.2.7 and appendix J: 32-bit words, carries added at the other end."""
    total = int(np.frombuffer(stored, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


_RIGHT_SUM = _datasum(data(PIXELS))
_SUMS = "FITS 4.0, section 4.4.2.7"
CHECKSUMS = [
    _told("datasum-right", _sums(str(_RIGHT_SUM)), source=_SUMS),
    _told("datasum-wrong", _sums(str(_RIGHT_SUM + 1)), noted=("DATASUM",), source=_SUMS),
    _told("datasum-in-words", _sums("none"), may_be_noted=("DATASUM",), source=_SUMS),
    _told("datasum-empty", _sums(""), source=_SUMS + ": undefined where empty"),
    _told(
        "datasum-of-the-extension-wrong",
        lambda: primary({}, None) + extension("SCI", {"DATASUM": str(_RIGHT_SUM + 1)}),
        noted=("DATASUM",),
        source=_SUMS,
    ),
]


def _tile_file(name: str) -> bytes:
    (found,) = (each for each in PACKED if each.name == name)
    return found.build()


def _damaged_tiles() -> bytes:
    content = _tile_file("rice1-int16.fits.fz")
    table = content.index(b"XTENSION= 'BINTABLE'")
    start = content.index(b"END".ljust(CARD), table) // BLOCK * BLOCK + BLOCK
    return content[:start] + b"\xff" * 400 + content[start + 400 :]


def _altered_tiles(keyword: bytes, card: bytes) -> bytes:
    content = _tile_file("rice1-int16.fits.fz")
    place = content.index(keyword.ljust(8) + b"=")
    return content[:place] + card.ljust(CARD) + content[place + CARD :]


PACKS = [
    _refused("tiles-overwritten.fits.fz", _damaged_tiles, "cannot be|damaged|decoded"),
    _refused("tiles-cut-off.fits.fz", lambda: _tile_file("rice1-int16.fits.fz")[:-2880], "ends|declares"),
    _refused(
        "tiles-of-an-unknown-codec.fits.fz",
        lambda: _altered_tiles(b"ZCMPTYPE", b"ZCMPTYPE= 'ZIP_9   '"),
        "decoded|cannot|ZIP",
    ),
    _refused(
        "tiles-of-a-giant.fits.fz",
        lambda: _altered_tiles(b"ZNAXIS2", f"ZNAXIS2 = {10**9:>20}".encode()),
        "cannot|decoded|ends",
    ),
    _refused("gzip-cut-off.fits.gz", lambda: gzip.compress(_ordinary(), mtime=0)[:-20], "cut short|end"),
    _refused("gzip-damaged.fits.gz", lambda: gzip.compress(_ordinary(), mtime=0)[:-8] + bytes(8), "damaged|CRC"),
    _refused("gzip-of-zeros.fits.gz", lambda: gzip.compress(bytes(2**22), mtime=0), "SIMPLE"),
    _misnamed("gzip-that-is-none.fits.gz", _ordinary, "not compressed"),
    _misnamed("fits-that-is-gzip.fits", lambda: gzip.compress(_ordinary(), mtime=0), "compressed as"),
]


def _nul_filled() -> bytes:
    content = _ordinary()
    end = content.index(b"END".ljust(CARD)) + len(b"END")
    return content[:end] + bytes(BLOCK - end) + content[BLOCK:]


FURTHER = [
    _told(
        "carriage-return-in-a-keyword",
        lambda: _ordinary().replace(b"EXTEND  ", b"EXTEND\r\n"),
        may_be_noted=("EXTEND", "card"),
    ),
    _told("simple-as-text", lambda: primary({}, SIMPLE="T"), noted=("SIMPLE",), source="FITS 4.0, section 4.4.1.1"),
    _refused("naxis-as-text", lambda: primary({}, NAXIS="2"), "NAXIS"),
    _refused(
        "naxis1-as-a-whole-float",
        lambda: primary({}, NAXIS1=8.0),
        "NAXIS1",
        source="FITS 4.0, section 4.4.1.1: integers",
    ),
    _told("header-filled-with-nul", _nul_filled, source="FITS 4.0, section 3.3.1: filled with blanks"),
    file("slash-in-the-target", right(target="NGC 1/2"), {"OBJECT": "NGC 1/2"}),
    file("very-long-keyword", right(), {"A VERY LONG HIERARCH KEYWORD INDEED": 1.5}),
    file(
        "target-twice",
        right(target="M 51", noted=("OBJECT",), may_be_left_out=("target",)),
        Cards([*cards_of({"OBJECT": "M 50"}), ("OBJECT", "M 51")]),
    ),
    file("naxis1-twice", right(may_be_noted=("NAXIS1",)), Cards([*cards_of({}), ("NAXIS1", 8)])),
]

RARE = [
    _told("two-bytes-behind", lambda: _ordinary() + b"XT", noted=("not FITS",)),
    _told("another-file-behind", lambda: _ordinary() + _ordinary(), noted=("not FITS",)),
    file(
        "twelve-hundred-lines-of-history",
        right(),
        Cards([*cards_of({}), *[("HISTORY", f"line {n}") for n in range(1200)]]),
    ),
    file(
        "target-with-accents",
        right(target=UNASKED, noted=("OBJECT",)),
        {"OBJECT": "\N{LATIN SMALL LETTER E WITH ACUTE}t"},
    ),
    file(
        "filter-with-accents",
        right(filter_name=UNASKED, noted=("FILTER",)),
        {"FILTER": "H\N{LATIN SMALL LETTER A WITH DIAERESIS}"},
    ),
    file("degree-sign-in-a-comment", right(may_be_noted=("CCD-TEMP",)), {"CCD-TEMP": Raw("-20.0 / \N{DEGREE SIGN}C")}),
    file(
        "accent-in-a-comment",
        right(may_be_noted=("COMMENT",)),
        Cards([*cards_of({}), ("COMMENT", "caf\N{LATIN SMALL LETTER E WITH ACUTE}")]),
    ),
]

FILES = [*CARDS, *SHAPES, *CHECKSUMS, *PACKS, *FURTHER, *RARE]
