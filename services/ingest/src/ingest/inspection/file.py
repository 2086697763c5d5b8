"""What is inside a file: its header if it has one, and whether the file is whole.

Runs in a process of its own (`inspection_worker`), because a file comes from outside and may be anything.
"""

from __future__ import annotations

import bz2
import gzip
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast

from astropy.io import fits

from datalab.astro.headers.reading import HeaderValue, describe, header_cards, parse_header_text, science_hdu
from datalab.astro.sky.wcs import footprint
from datalab.documents.frame import HeaderSource, Observation
from datalab.errors import UsageError
from datalab.fits.structure import FitsStructure, hdu_name, read_structure
from ingest.frames.model import FrameHeader, Inspection
from ingest.frames.names import Content

#: The longest FITS headers allowed (`fits_structure`), as text.
_MOST_TEXT_BYTES = 4 * 1024**2
#: Of a file that is no header at all, every card is a problem; the first few tell as much.
_MOST_PROBLEMS = 50
_JPEG_START = b"\xff\xd8\xff"

#: Keywords that describe the file rather than the exposure: of no use beside another HDU's header.
_STRUCTURE = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "EXTNAME", "CHECKSUM", "DATASUM")

_FITS_MEDIA_TYPES = {"": "image/fits", "fz": "image/fits", "bz2": "application/x-bzip2", "gz": "application/gzip"}
_MAGIC = {"bz2": b"BZh", "gz": b"\x1f\x8b"}


def inspect_file(path: Path, content: Content, compression: str, *, max_expanded_bytes: int) -> Inspection:
    """Return what a file says.

    Raises `UsageError` if the file is not what its name says, is cut short or damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters of astropy's remarks is among the problems found
        if content is Content.FITS:
            return _inspect_fits(path, compression, max_expanded_bytes)
        if content is Content.HEADER_TEXT:
            return _inspect_text(path)
    if content is Content.JPEG:
        with path.open("rb") as file:
            if file.read(len(_JPEG_START)) != _JPEG_START:
                raise UsageError("not a JPEG file: it does not begin like one")
        return Inspection(media_type="image/jpeg")
    return Inspection(media_type="application/octet-stream")


def _inspect_fits(path: Path, compression: str, max_expanded_bytes: int) -> Inspection:
    _require_compression(path, compression)
    with _damage_is_the_files(compression), _opened(path, compression) as stream:
        structure = read_structure(stream, max_bytes=max_expanded_bytes)
    try:
        index = science_hdu(structure.headers)
    except ValueError as error:
        raise UsageError(str(error)) from error
    image = _image_header(path, compression, structure, index)
    cards = dict(header_cards(image))
    if index > 0:
        primary = header_cards(structure.headers[0])
        cards = {name: value for name, value in primary.items() if not name.startswith(_STRUCTURE)} | cards
    return Inspection(
        media_type=_FITS_MEDIA_TYPES[compression],
        header=_described("fits", cards, image, structure.problems),
    )


def _require_compression(path: Path, compression: str) -> None:
    with path.open("rb") as file:
        start = file.read(max(map(len, _MAGIC.values())))
    found = next((name for name, magic in _MAGIC.items() if start.startswith(magic)), None)
    expected = compression if compression in _MAGIC else None
    if found != expected:
        how = f"compressed as .{found}" if found else "not compressed"
        raise UsageError(
            f"the file is {how}, but its name ends in {f'.{expected}' if expected else '.fits or .fits.fz'}"
        )


def _image_header(path: Path, compression: str, structure: FitsStructure, index: int) -> fits.Header:
    """Return the science image's own header; for a compressed image, after decoding its first and last row."""
    header = structure.headers[index]
    if header.get("ZIMAGE") is not True:
        return header
    name = hdu_name(index, header)
    if compression in _MAGIC:
        raise UsageError(f"{name} is a compressed image in a .{compression} file; store it as .fits.fz")
    try:
        # Mapped, the rows between are not read; scaled, all pixels would be.
        with (
            path.open("rb") as file,  # opened here, as astropy leaves it open when it fails
            fits.open(file, memmap=True, do_not_scale_image_data=True) as hdus,
        ):
            image = hdus[index]
            rows = image.shape[0]
            for row in {0, rows - 1}:
                _ = image.section[row : row + 1, :]
            return cast("fits.Header", image.header.copy())
    except Exception as error:
        # Whatever the decompressor stumbles over in a file from outside is the file's fault.
        raise UsageError(f"{name}: the compressed pixels cannot be decoded: {type(error).__name__}: {error}") from error


def _inspect_text(path: Path) -> Inspection:
    if path.stat().st_size > _MOST_TEXT_BYTES:
        raise UsageError(f"a header text of more than {_MOST_TEXT_BYTES} bytes is none")
    text = path.read_bytes().decode("ascii", "replace")
    parsed = parse_header_text(text)
    if not parsed.cards:
        raise UsageError("the file holds no header cards (80 characters each: KEYWORD = value / comment)")
    return Inspection(
        media_type="text/plain", header=_described("text", parsed.cards, _as_header(parsed.cards), parsed.problems)
    )


def _described(
    source: HeaderSource, cards: Mapping[str, HeaderValue], image: fits.Header, problems: tuple[str, ...]
) -> FrameHeader:
    description = asdict(describe(cards))
    observation = Observation.model_validate({**description, "observation_date": description["capture_time"]})
    shape = (_pixels(cards, 2), _pixels(cards, 1))
    corners = footprint(image, shape) if all(shape) else None
    return FrameHeader(
        source=source,
        cards=dict(cards),
        observation=observation,
        footprint=None if corners is None else tuple(corners),
        problems=(*problems, *description["problems"])[:_MOST_PROBLEMS],
    )


def _pixels(cards: Mapping[str, HeaderValue], axis: int) -> int:
    length = cards.get(f"NAXIS{axis}")
    return length if isinstance(length, int) and length > 0 else 0


def _as_header(cards: Mapping[str, HeaderValue]) -> fits.Header:
    """Return as many cards as a FITS header can hold, to ask for the coordinates they describe."""
    header = fits.Header()
    for keyword, value in cards.items():
        if len(keyword) <= 8 and value is not None and keyword not in {"COMMENT", "HISTORY", "END", ""}:
            try:
                header[keyword] = value
            except ValueError:
                continue
    return header


def _opened(path: Path, compression: str) -> BinaryIO:
    if compression == "bz2":
        return cast("BinaryIO", bz2.open(path, "rb"))
    if compression == "gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


@contextmanager
def _damage_is_the_files(compression: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise UsageError(f"the .{compression} data end too early: the file is cut short") from None
    except (OSError, zlib.error) as error:
        if compression not in _MAGIC:
            raise
        raise UsageError(f"the .{compression} data are damaged: {error}") from error
