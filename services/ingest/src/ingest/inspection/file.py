"""What is inside a file: its header if it has one, and whether the file is whole.

Runs in a process of its own (`inspection.worker`), because a file comes from outside and may be anything.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from astropy.io import fits

from datalab.astro.headers.card_reader import PUBLIC_DATE_KEYWORD
from datalab.astro.headers.cards import HeaderValue, header_cards, is_empty, parse_header_text, readable
from datalab.astro.headers.description import FrameDescription, describe, describe_header
from datalab.astro.sky.coverage import Coverage, coverage, plain_coverage
from datalab.astro.sky.wcs import says_where
from datalab.documents.file_names import Content
from datalab.documents.frame import HeaderSource, Observation
from datalab.errors import UsageError
from datalab.fits.decodable import decodable_headers
from datalab.fits.files import MOST_HEADER_BYTES, Packing, packing, unpacked_stream
from datalab.fits.layout import hdu_name
from datalab.fits.science import DEFAULT_PLANE, add_primary_cards, is_of_the_exposure, science_image
from datalab.fits.science_header import science_header, standard_notes
from datalab.fits.stored import scaling_of
from datalab.fits.structure import read_structure
from ingest.frames.model import FrameHeader, Inspection
from ingest.inspection.plain import inspect_plain, is_plain

#: How the note begins on two cards that state different dates.
_TWO_PUBLIC_DATES = f"{PUBLIC_DATE_KEYWORD}: comes twice"
#: Of a file that is no header at all, every card is noted; the first few tell as much.
_MOST_NOTES = 50
#: A stream may expand to this, or so many times its size: images do not, and what does would hold an inspector for long
#: (16 GiB of zeros are 16 MB as .gz, and take 90 s).
_MOST_EXPANSION = 200
_FREE_EXPANSION_BYTES = 1024**3

_FITS_MEDIA_TYPES = {"": "image/fits", "fz": "image/fits", "bz2": "application/x-bzip2", "gz": "application/gzip"}


def inspect_file(file: bytes | Path, content: Content, compression: str, *, max_expanded_bytes: int) -> Inspection:
    """Return what is in a file, of which the content is given or, of a FITS file, the path.

    Raises `UsageError` if the file is not what its name says, is cut short or damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters of astropy's remarks is noted
        if content is Content.FITS:
            assert isinstance(file, Path), "FITS files are read where they are"
            return _inspect_fits(file, compression, max_expanded_bytes)
        if content is Content.HEADER_TEXT:
            return _inspect_text(file)
    assert is_plain(content)
    return inspect_plain(file, content)


def _inspect_fits(path: Path, compression: str, max_expanded_bytes: int) -> Inspection:
    packed = _required_packing(path, compression)
    if packed:
        likely_bytes = max(_FREE_EXPANSION_BYTES, _MOST_EXPANSION * path.stat().st_size)
        max_expanded_bytes = min(max_expanded_bytes, likely_bytes)
    with _damage_is_the_files(packed), unpacked_stream(path, packed) as stream:
        structure = read_structure(stream, max_bytes=max_expanded_bytes)
    try:
        found = science_image(structure.headers)
    except ValueError as error:
        raise UsageError(str(error)) from error
    used = [structure.hdus[index] for index in found.hdus]
    compressed = [hdu for hdu in used if readable(hdu.header, "ZIMAGE", None) is True]
    if compressed and packed:
        name = hdu_name(structure.hdus.index(compressed[0]), compressed[0].header)
        raise UsageError(f"{name} is a compressed image in a .{packed} file; store it as .fits.fz")
    scaled = dict.fromkeys(note for hdu in used for note in scaling_of(hdu).notes)
    headers = decodable_headers(path, structure.hdus, found)
    primary = structure.headers[0]
    image, noted = science_header(found, headers, None, plane=DEFAULT_PLANE)
    cards = header_cards(image)
    if found.hdus[0] > 0:
        add_primary_cards(image, primary)
        further = {name: value for name, value in header_cards(primary).items() if is_of_the_exposure(name)}
        cards = further | {name: value for name, value in cards.items() if name not in further or not is_empty(value)}
    notes = (*standard_notes(primary), *structure.notes, *noted, *scaled)
    return Inspection(
        media_type=_FITS_MEDIA_TYPES[compression],
        header=_described("fits", cards, _coverage(cards, image), describe_header(image), notes),
    )


def _required_packing(path: Path, compression: str) -> Packing | None:
    """Return how a file is packed as a whole. Raises `UsageError` if its name says something else."""
    found = packing(path)
    expected = None if compression == "fz" else compression or None
    if found != expected:
        how = f"compressed as .{found}" if found else "not compressed"
        raise UsageError(
            f"the file is {how}, but its name ends in {f'.{expected}' if expected else '.fits or .fits.fz'}"
        )
    return found


def _inspect_text(file: bytes | Path) -> Inspection:
    if (len(file) if isinstance(file, bytes) else file.stat().st_size) > MOST_HEADER_BYTES:
        raise UsageError(f"a header text of more than {MOST_HEADER_BYTES} bytes is none")
    text = (file if isinstance(file, bytes) else file.read_bytes()).decode("latin-1")
    parsed = parse_header_text(text)
    if not parsed.cards:
        raise UsageError("the file holds no header cards (80 characters each: KEYWORD = value / comment)")
    covered = _coverage(parsed.cards)
    header = _described("text", parsed.cards, covered, describe(parsed.cards, parsed.units), parsed.notes)
    return Inspection(media_type="text/plain", header=header)


def _described(
    source: HeaderSource,
    cards: Mapping[str, HeaderValue],
    covered: Coverage,
    described: FrameDescription,
    notes: tuple[str, ...],
) -> FrameHeader:
    description = asdict(described)
    observation = Observation.model_validate({**description, "observation_date": description["capture_time"]})
    noted = (*notes, *description["notes"], *covered.notes)
    if any(note.startswith(_TWO_PUBLIC_DATES) for note in noted):
        observation = observation.model_copy(update={"public_date": None})  # in doubt the frame is closed
    return FrameHeader(
        source=source,
        cards=dict(cards),
        observation=observation,
        footprint=covered.corners,
        notes=noted[:_MOST_NOTES],
        # Also a card too damaged to be among the cards: whoever wrote it wanted the frame closed until some day.
        states_public_date=PUBLIC_DATE_KEYWORD in cards or any(PUBLIC_DATE_KEYWORD in note for note in noted),
    )


def _coverage(cards: Mapping[str, HeaderValue], image: fits.Header | None = None) -> Coverage:
    """Return what an image covers, given by its cards, and by its header if there is one."""
    shape = (_pixels(cards, 2), _pixels(cards, 1))
    if not all(shape):
        return Coverage()
    if image is not None:
        return coverage(image, shape)
    return plain_coverage(cards, shape) or coverage(_as_header(cards), shape)


def _pixels(cards: Mapping[str, HeaderValue], axis: int) -> int:
    length = cards.get(f"NAXIS{axis}")
    return length if isinstance(length, int) and length > 0 else 0


def _as_header(cards: Mapping[str, HeaderValue]) -> fits.Header:
    """Return the cards that say where the image is, as far as a FITS header can hold them, also those without a value.

    The others are left out: astropy takes 20 microseconds for each.
    """
    header = fits.Header()
    for keyword, value in cards.items():
        if len(keyword) <= 8 and says_where(keyword):
            try:
                header[keyword] = value
            except ValueError:
                continue
    return header


@contextmanager
def _damage_is_the_files(packed: Packing | None) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise UsageError(f"the .{packed} data end too early: the file is cut short") from None
    except (OSError, zlib.error) as error:
        if packed is None:
            raise
        raise UsageError(f"the .{packed} data are damaged: {error}") from error
