"""Which image is the image: axes of one pixel, extensions, colours, masks beside and before it, amplifiers.

FITS 4.0, sections 3.1 to 3.4 and 7.1. Colour images are used in their green plane, and it is said that they are such.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from corpus.building import ORDINARY, Cards, Raw, cards_of, extension, file, made, primary
from corpus.compressions import written
from corpus.model import PIXELS, SHAPE, File, refused, right

_PRIMARY = "FITS 4.0, section 3.1"
#: Images of other kinds beside the science image; nobody may take their numbers for its.
_ERRORS = np.full(SHAPE, 7.5, np.float32)
_MASK = np.zeros(SHAPE, np.uint8)
_MASK[2, 3] = 1
_COLOURS = np.stack([PIXELS + 1000, PIXELS, PIXELS + 2000]).astype(np.int16)
_COLOURED = ("NAXIS", "NAXIS3")


def _empty(**cards: Any) -> bytes:
    """Return a primary HDU without an image, with the ordinary cards."""
    return primary(cards, None)


def _table(name: str = "CAT") -> bytes:
    buffer = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0, 2.0])], name=name)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    return buffer.getvalue()[2880:]


def _several(name: str, build: Callable[[], bytes], **said: Any) -> File:
    return made(f"{name}.fits", right(**said), build)


def _none(name: str, build: Callable[[], bytes], pattern: str, **said: Any) -> File:
    return made(f"{name}.fits", refused(pattern, **said), build)


AXES = [
    file("two-axes", right(source=_PRIMARY)),
    file("third-axis-of-one", right(may_be_noted=_COLOURED), {}, PIXELS[np.newaxis]),
    file("fourth-axis-of-one", right(may_be_noted=_COLOURED), {}, PIXELS[np.newaxis, np.newaxis]),
    file("colours-in-planes", right(noted=("NAXIS",), may_be_noted=_COLOURED), {}, _COLOURS),
    file(
        "colours-named",
        right(noted=("NAXIS",), may_be_noted=_COLOURED),
        {"CTYPE3": "rgb", "COLORTYP": "RGB"},
        _COLOURS,
    ),
    file(
        "colours-by-pixel",
        right(noted=("NAXIS",), may_be_noted=_COLOURED),
        {},
        np.ascontiguousarray(np.moveaxis(_COLOURS, 0, 2)),
    ),
    file("mosaic-of-one-colour-filter", right(), {"BAYERPAT": "RGGB", "XBAYROFF": 0}),
    made("one-axis.fits", refused("1 dimension|one dimension|dimension"), lambda: primary({}, PIXELS[0])),
    made("forty-planes.fits", refused("dimension"), lambda: primary({}, np.zeros((40, 6, 8), np.int16))),
    made(
        "spectra-in-planes.fits",
        refused("dimension|plane"),
        lambda: primary({"CTYPE3": "WAVE"}, np.zeros((3, 6, 8), np.int16)),
    ),
    made(
        "axis-of-no-pixel.fits",
        refused("no image|no pixel|has no"),
        lambda: primary({}, None, NAXIS=2, NAXIS1=0, NAXIS2=6),
    ),
]

EXTENSIONS = [
    _several("image-in-sci", lambda: _empty() + extension("SCI")),
    _several("image-in-unnamed", lambda: _empty() + extension(None)),
    _several("image-in-lower-case-sci", lambda: _empty() + extension("sci")),
    _several("image-behind-table", lambda: _empty() + _table() + extension("SCI")),
    _several("table-behind-image", lambda: _empty() + extension("SCI") + _table()),
    _several("image-and-its-table", lambda: primary({}) + _table()),
    _several(
        "cards-of-the-extension-count",
        lambda: _empty(FILTER="B", OBJECT="wrong") + extension("SCI", {"FILTER": "rp", "OBJECT": "M 51"}),
    ),
    _several("all-cards-in-the-extension", lambda: primary(Cards(), None) + extension("SCI", cards_of({}))),
    _several(
        "inherited-or-not", lambda: _empty() + extension("SCI", {"INHERIT": True}), source="FITS 4.0, section 4.4.2.5"
    ),
    _several(
        "science-behind-thumbnail", lambda: _empty() + extension("THUMBNAIL", {}, PIXELS[:2, :2]) + extension("SCI")
    ),
    _none("no-image-at-all", _empty, "no image"),
    _none("nothing-but-a-table", lambda: _empty() + _table(), "no image"),
    _none("sci-without-pixels", lambda: _empty() + extension("SCI", {}, None), "no image"),
]

_DOUBLE = PIXELS + 500
COMPANIONS = [
    _several("errors-behind", lambda: _empty() + extension("SCI") + extension("ERR", {}, _ERRORS)),
    _several("errors-first", lambda: _empty() + extension("ERR", {}, _ERRORS) + extension("SCI")),
    *(
        _several(
            f"{name.lower()}-first",
            lambda name=name: _empty() + extension(name, {}, _MASK) + extension(None),
            may_be_noted=(name,),
        )
        for name in ("MASK", "BPM", "DQ", "WEIGHT", "VAR", "ERR")
    ),
    _several("mask-beside-primary", lambda: primary({}) + extension("MASK", {}, _MASK), may_be_noted=("MASK",)),
    _several(
        "mask-beside-colours",
        lambda: primary({}, _COLOURS) + extension("MASK", {}, _MASK),
        noted=("NAXIS",),
        may_be_noted=("MASK",),
    ),
    _several(
        "weight-beside-colours",
        lambda: primary({}, _COLOURS) + extension("WEIGHT", {}, _ERRORS),
        noted=("NAXIS",),
        may_be_noted=("WEIGHT",),
    ),
    _several("ivar-and-dq-beside", lambda: primary({}) + extension("IVAR", {}, _ERRORS) + extension("DQ", {}, _MASK)),
    _several("data-named-image", lambda: _empty() + extension("WHT", {}, _ERRORS) + extension("IMAGE")),
    _several(
        "masked-before-named-sci",
        lambda: primary({}, _MASK.astype(np.int16)) + extension("SCI", cards_of({})),
        may_be_noted=("HDU 0",),
    ),
    _none(
        "cube-and-its-mask",
        lambda: primary({}, np.zeros((40, 6, 8), np.int16)) + extension("MASK", {}, _MASK),
        "dimension",
    ),
    _none(
        "table-and-two-masks",
        lambda: _empty() + extension("MASK", {}, _MASK) + extension("ERR", {}, _ERRORS),
        "no image|none of them|MASK",
    ),
]

#: Four amplifiers, read out to the corners of a detector of 12 by 16 pixels: each is stored as it came out.
_DETECTOR = np.arange(12 * 16, dtype=np.int16).reshape(12, 16) * 5


def _quarters() -> list[tuple[str, np.ndarray]]:
    """Return DETSEC and stored pixels of the quarters: rows and columns of FITS count from 1."""
    return [
        ("[1:8,1:6]", _DETECTOR[:6, :8]),
        ("[16:9,1:6]", _DETECTOR[:6, :7:-1]),
        ("[1:8,12:7]", _DETECTOR[:5:-1, :8]),
        ("[16:9,12:7]", _DETECTOR[:5:-1, :7:-1]),
    ]


def _amplifiers(*, detsec: bool = True, overscan: bool = False, named: str | None = "SCI") -> bytes:
    parts = [_empty()]
    for number, (section, stored) in enumerate(_quarters(), start=1):
        kept = np.ascontiguousarray(stored)
        cards: dict[str, Any] = {"EXTVER": number}
        if detsec:
            cards |= {"DETSEC": section, "DETSIZE": "[1:16,1:12]"}
        if overscan:
            kept = np.concatenate([kept, np.full((6, 2), 9, np.int16)], axis=1)
            cards |= {"DATASEC": "[1:8,1:6]", "BIASSEC": "[9:10,1:6]"}
        parts.append(extension(named if named == "SCI" else f"{named}{number}", cards, kept))
    return b"".join(parts)


_MOSAIC = {
    "shape": (12, 16),
    "pixels": _DETECTOR,
    "may_be_noted": ("DETSEC", "SCI", "mosaic", "amplifier", "put together"),
}
AMPLIFIERS = [
    _several("four-amplifiers", _amplifiers, **_MOSAIC),
    _several(
        "four-amplifiers-with-overscan",
        lambda: _amplifiers(overscan=True),
        **_MOSAIC | {"may_be_noted": ("DETSEC", "SCI", "DATASEC", "BIASSEC", "mosaic", "overscan", "put together")},
    ),
    _several(
        "four-amplifiers-im",
        lambda: _amplifiers(named="im"),
        **_MOSAIC | {"may_be_noted": ("DETSEC", "SCI", "im", "IM1", "mosaic", "put together")},
    ),
    _none("four-amplifiers-nowhere", lambda: _amplifiers(detsec=False), "DETSEC"),
    _none(
        "two-chips",
        lambda: _empty() + extension("SCI", {"EXTVER": 1}) + extension("SCI", {"EXTVER": 2}, _DOUBLE),
        "DETSEC|SCI",
    ),
]

UNUSUAL = [
    file("blocked-and-groups-false", right(may_be_noted=("GROUPS", "BLOCKED")), {"BLOCKED": True, "GROUPS": False}),
    file("extend-missing", right(source=_PRIMARY + ": EXTEND is advisory"), {}, PIXELS, EXTEND=None),
    _several(
        "simple-is-false",
        lambda: primary({}, PIXELS, SIMPLE=False),
        noted=("SIMPLE",),
        source="FITS 4.0, section 4.4.1.1: F signifies that the file does not conform",
    ),
    _several(
        "name-with-quotes",
        lambda: _empty(OBJECT="O'Neill's") + extension("SCI"),
        target="O'Neill's",
        source="FITS 4.0, section 4.2.1.1",
    ),
    file(
        "long-text",
        right(target="A" * 60 + "B" * 20, source="FITS 4.0, section 4.2.1.2"),
        Cards(
            [
                *[each for each in cards_of({}) if each[0] != "OBJECT"],
                ("OBJECT", Raw("'" + "A" * 60 + "&'")),
                ("", "CONTINUE  '" + "B" * 20 + "'"),
            ]
        ),
    ),
]


def _packed(name: str, parts: Sequence[tuple[str, np.ndarray, dict[str, Any]]], **said: Any) -> File:
    """Return a file of tile-compressed images, given by name, pixels and cards."""
    options = {"compression_type": "RICE_1"} | {
        key: said.pop(key) for key in ("compression_type", "quantize_level") if key in said
    }

    def build() -> bytes:
        images = [
            fits.CompImageHDU(stored, fits.Header(list(cards.items())), name=extname, **options)
            for extname, stored, cards in parts
        ]
        return written(fits.PrimaryHDU(header=fits.Header(list(ORDINARY.items()))), *images)

    return made(f"{name}.fits.fz", right(**said), build)


FURTHER = [
    _packed(
        "packed-errors-first",
        [("ERR", _ERRORS, {}), ("SCI", PIXELS, {})],
        may_be_noted=("ERR",),
        compression_type="GZIP_2",
        quantize_level=0.0,
    ),
    _packed("packed-mask-first", [("MASK", _MASK, {}), ("SCI", PIXELS, {})], may_be_noted=("MASK",)),
    _packed(
        "packed-amplifiers",
        [
            ("SCI", np.ascontiguousarray(stored), {"DETSEC": place, "EXTVER": number})
            for number, (place, stored) in enumerate(_quarters(), start=1)
        ],
        **_MOSAIC,
    ),
    _packed("packed-colours", [("SCI", _COLOURS, {})], noted=("NAXIS",), may_be_noted=_COLOURED),
    _packed("packed-third-axis-of-one", [("SCI", PIXELS[np.newaxis], {})], may_be_noted=_COLOURED),
    made("gzipped-amplifiers.fits.gz", right(**_MOSAIC), lambda: gzip.compress(_amplifiers(), mtime=0)),
    file(
        "colours-unsigned",
        right(noted=("NAXIS",), may_be_noted=_COLOURED, pixels=PIXELS.astype(int) + 32768),
        {},
        _COLOURS,
        BZERO=32768,
    ),
    file("colours-behind-an-axis-of-one", right(noted=("NAXIS",), may_be_noted=_COLOURED), {}, _COLOURS[np.newaxis]),
    file(
        "colours-with-blanks",
        right(noted=("NAXIS",), may_be_noted=_COLOURED, pixels=np.where(PIXELS == 100, np.nan, PIXELS)),
        {},
        _COLOURS,
        BLANK=100,
    ),
    _several(
        "two-chips-side-by-side",
        lambda: (
            _empty()
            + extension("CHIP1", {"DETSEC": "[1:8,1:6]"})
            + extension("CHIP2", {"DETSEC": "[9:16,1:6]"}, _DOUBLE)
        ),
        shape=(6, 16),
        pixels=np.concatenate([PIXELS, _DOUBLE], axis=1),
        may_be_noted=("DETSEC", "CHIP1", "put together"),
    ),
    _several(
        "amplifiers-unsigned",
        lambda: (
            _empty()
            + extension("SCI", {"DETSEC": "[1:8,1:6]", "EXTVER": 1}, BZERO=32768)
            + extension("SCI", {"DETSEC": "[9:16,1:6]", "EXTVER": 2}, BZERO=32768)
        ),
        shape=(6, 16),
        pixels=np.concatenate([PIXELS, PIXELS], axis=1).astype(int) + 32768,
        may_be_noted=("DETSEC", "SCI", "put together"),
    ),
    _several(
        "other-image-in-the-primary",
        lambda: primary({}, _DOUBLE) + extension("SCI", cards_of({})),
        may_be_noted=("HDU 0",),
    ),
]

RARE = [
    _several(
        "weight-by-a-longer-name",
        lambda: _empty() + extension("SCI_WEIGHT", {}, _DOUBLE) + extension(None),
        may_be_noted=("SCI_WEIGHT",),
    ),
    _several("name-with-blanks", lambda: _empty() + extension(" SCI ")),
    _several("behind-an-empty-image", lambda: _empty() + extension("EMPTY", {}, None) + extension(None)),
    _several(
        "background-first",
        lambda: _empty() + extension("BACKGROUND", {}, _DOUBLE) + extension("IMAGE"),
        may_be_noted=("BACKGROUND",),
    ),
    _several("psf-first", lambda: _empty() + extension("PSF", {}, _DOUBLE) + extension("DATA"), may_be_noted=("PSF",)),
    _several(
        "two-without-names", lambda: _empty() + extension(None) + extension(None, {}, _DOUBLE), may_be_noted=("HDU 2",)
    ),
    _several(
        "extension-of-another-kind",
        lambda: primary({}) + extension("X").replace(b"'IMAGE   '", b"'FOREIGN '"),
        source="FITS 4.0, section 3.4.1",
    ),
    _none("mask-and-table", lambda: _empty() + extension("MASK", {}, _MASK) + _table(), "MASK|mask|no image|none"),
    _none(
        "random-groups",
        lambda: primary({}, None, NAXIS=3, NAXIS1=0, NAXIS2=4, NAXIS3=3, GROUPS=True, PCOUNT=2, GCOUNT=2) + bytes(2880),
        "no image|dimension",
        source="FITS 4.0, section 6",
    ),
]

FILES = [*AXES, *EXTENSIONS, *COMPANIONS, *AMPLIFIERS, *UNUSUAL, *FURTHER, *RARE]
