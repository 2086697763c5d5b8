"""The headers of raw frames in their usual form, straight from the file.

The form is that of `fpack`: an empty primary HDU, then tables, one of which is a RICE-compressed image of integers.
astropy makes the header of the image card by card from that of its table, which takes 6 ms; this takes 1 ms, and both
have the same cards. Everything that is not exactly of this form is left to astropy. FITS standard 4.0, section 10.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Self

from astropy.io import fits

from datalab.astro.headers.cards import COMMENTARY, HeaderValue, parse_header_text
from datalab.errors import UsageError
from datalab.fits.files import BLOCK_BYTES, read_header
from datalab.fits.rice import RiceRows
from datalab.fits.science import CATALOGUE, SCIENCE, shows_the_sky

_CARD = 80
#: Cards that describe the table an image is stored in, and those of an image that its table has under another name.
_OF_THE_TABLE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|CHECKSUM|DATASUM|TFIELDS|THEAP|"
    r"T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|BCOL|DIM|CTYP|CUNI|CRPX|CRVL|CDLT|RPOS)[1-9]\d*|"
    r"Z(?:IMAGE|CMPTYPE|MASKCMP|QUANTIZ|DITHER0|BLANK|SCALE|ZERO|SIMPLE|TENSION|BITPIX|EXTEND|BLOCKED|PCOUNT|GCOUNT|"
    r"HECKSUM|DATASUM|NAXIS\d*|TILE\d*|NAME\d*|VAL\d*)"
)
#: What compressed images are called that have no name.
_NO_NAME = "COMPRESSED_IMAGE"
_SUMS = frozenset({"CHECKSUM", "DATASUM"})
_OF_STORAGE = re.compile(rf"{_OF_THE_TABLE.pattern}|EXTNAME|BLANK")


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A raw frame: the science header, the primary one, the rows, which HDU it is, where the catalogue begins.

    Of the file: whether an HDU says what it sums to, the number of the last one and where that ends.
    """

    header: fits.Header
    primary: fits.Header
    index: int
    shape: tuple[int, int]
    rows: RiceRows
    catalogue_offset: int | None
    has_sums: bool
    last_hdu: int
    end: int


@dataclass(frozen=True, slots=True)
class _Hdu:
    """A header: every card by its keyword, and the values of those that say how the HDU is stored."""

    cards: Sequence[tuple[str, str]]
    stored: Mapping[str, HeaderValue]
    header_offset: int
    data_offset: int

    @classmethod
    def of(cls, text: str, offset: int) -> Self:
        """Raise `ValueError` if what says how the HDU is stored is not clear."""
        cards = [(card[:8].rstrip(), card) for card in _split(text)]
        storage = {keyword: card for keyword, card in cards if _OF_STORAGE.fullmatch(keyword)}
        parsed = parse_header_text("".join(storage.values()))
        if parsed.notes or sum(keyword in storage for keyword, _ in cards) > len(storage):
            raise ValueError("a card that cannot be read, or comes twice")
        return cls(cards, parsed.cards, offset, offset + len(text))

    @property
    def name(self) -> str:
        return str(self.stored.get("EXTNAME", "")).strip().upper()

    @property
    def data_bytes(self) -> int:
        """Raise `ValueError` as `number`."""
        return self.number("NAXIS1") * self.number("NAXIS2") + self.number("PCOUNT") if self.header_offset else 0

    @property
    def end(self) -> int:
        """Where the next HDU begins; raise `ValueError` as `number`."""
        return self.data_offset + math.ceil(self.data_bytes / BLOCK_BYTES) * BLOCK_BYTES

    @property
    def has_sums(self) -> bool:
        return not _SUMS.isdisjoint(self.stored)

    def number(self, keyword: str) -> int:
        """Raise `ValueError` if a card has no whole number, or a negative one."""
        value = self.stored.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(keyword)
        return value


def read_raw_frame(path: Path) -> RawFrame | None:
    """Return an unpacked file as a raw frame, or None if it is not exactly of this form, or damaged."""
    try:
        with path.open("rb") as file:
            primary, *tables = _hdus(file, path.stat().st_size)
        return _frame(path, primary, tables)
    except (UsageError, ValueError):  # astropy says what is wrong, or reads it all the same
        return None


def _hdus(file: BinaryIO, size: int) -> Iterator[_Hdu]:
    """Yield all HDUs of a file. Raises `UsageError`, `ValueError` if there is anything unusual about one."""
    offset = 0
    while offset < size:
        hdu = _Hdu.of(read_header(file.read, hdu="the image"), offset)
        begins_well = hdu.stored.get("XTENSION") == "BINTABLE" if offset else hdu.stored.get("NAXIS") == 0
        if (
            not begins_well
            or hdu.cards[0][0] != ("XTENSION" if offset else "SIMPLE")
            or hdu.data_offset + hdu.data_bytes > size
        ):
            raise ValueError("no table, or too short, or an image in the primary HDU")
        yield hdu
        offset = hdu.end
        file.seek(offset)


def _frame(path: Path, primary: _Hdu, tables: list[_Hdu]) -> RawFrame | None:
    images = [table for table in tables if table.stored.get("ZIMAGE") is True]
    if len(images) != 1 or any(table.name == SCIENCE for table in tables if table is not images[0]):
        return None
    image = images[0]
    rows = RiceRows.of_cards(path, image.stored, table_offset=image.data_offset)
    if rows is None or image.name == _NO_NAME or image.stored.get("ZTENSION", "IMAGE") != "IMAGE":
        return None
    if primary.stored.get("SIMPLE") is not True or not shows_the_sky(image.name):
        return None
    catalogues = [table for table in tables if table.name == CATALOGUE]
    return RawFrame(
        header=fits.Header.fromstring(_image_header(image)),
        primary=fits.Header.fromstring("".join(card for _, card in primary.cards)),
        index=1 + tables.index(image),
        shape=(image.number("ZNAXIS2"), image.number("ZNAXIS1")),
        rows=rows,
        catalogue_offset=catalogues[0].header_offset if catalogues else None,
        has_sums=any(table.has_sums for table in (image, *catalogues)),
        last_hdu=len(tables),
        end=tables[-1].end,
    )


def _image_header(table: _Hdu) -> str:
    """Return the header of the image a table holds: what is said of the image, and of the table's cards their like."""
    found = dict(table.cards)
    first = "SIMPLE" if "ZSIMPLE" in found else "XTENSION"
    cards = [
        _renamed(found.get("ZSIMPLE" if first == "SIMPLE" else "ZTENSION", "XTENSION= 'IMAGE   '"), first),
        *(_renamed(found[f"Z{keyword}"], keyword) for keyword in ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2")),
    ]
    if first == "XTENSION":
        counts = (("PCOUNT", 0), ("GCOUNT", 1))
        cards += [_renamed(found.get(f"Z{name}", f"{name:8}={value:22}"), name) for name, value in counts]
    kept = [(keyword, card) for keyword, card in table.cards if not _OF_THE_TABLE.fullmatch(keyword)]
    remarks = [card for _, card in takewhile(lambda each: each[0] in COMMENTARY, reversed(kept))][::-1]
    cards += [card for _, card in kept[: len(kept) - len(remarks)]]
    cards += [found[keyword].partition("/")[0] for keyword in ("BSCALE", "BZERO") if table.stored.get(keyword)]
    moved = {"EXTEND": "ZEXTEND", "BLOCKED": "ZBLOCKED", "CHECKSUM": "ZHECKSUM", "DATASUM": "ZDATASUM"}
    cards += [_renamed(found[stored], keyword) for keyword, stored in moved.items() if stored in found]
    cards += remarks
    return "".join(card.ljust(_CARD) for card in cards)


def _split(text: str) -> Iterator[str]:
    for start in range(0, len(text), _CARD):
        card = text[start : start + _CARD]
        if card.rstrip() == "END":
            return
        yield card


def _renamed(card: str, keyword: str) -> str:
    return f"{keyword:8}{card[8:]}"
