"""The header of the science image: of two axes, for whatever it is put together of."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from typing import Final

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import header_cards, readable
from datalab.astro.sky.wcs_header import PIXEL_REGION, is_of_coordinates
from datalab.fits.amplifiers import Placed
from datalab.fits.science import Plane, ScienceImage, add_primary_cards, plane_number

_OF_FURTHER_AXES: Final = re.compile(
    r"NAXIS[3-9]|(?:CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CRDER|CSYER|CNAME)[3-9][A-Z]?|CROTA[3-9]|"
    r"(?:CD|PC)(?:[3-9]_\d|\d_[3-9])[A-Z]?|(?:CD|PC)00(?:[3-9]00\d|\d00[3-9])|(?:PV|PS)[3-9]_\d+[A-Z]?"
)
#: Of transformations between image, amplifier and detector, in pixel numbers (NOAO; see `amplifiers`).
_OF_PIXEL_NUMBERS: Final = re.compile(r"(?:LT|AT|DT|PT)[MV]\d(?:_\d)?|EXTVER")
#: Cards of one detector that differ from amplifier to amplifier, and what holds best for all pixels.
_AVERAGED: Final = ("GAIN", "EGAIN", "RDNOISE", "READNOIS", "READNOISE")
_LOWEST: Final = ("SATURATE", "MAXLIN")
#: Of the mean of planes: electrons are those of all, noise adds up in squares.
_OF_GAIN: Final = ("GAIN", "EGAIN")
_OF_NOISE: Final = ("RDNOISE", "READNOIS", "READNOISE")
_SIP: Final = re.compile(r"(?P<kind>A|B)P?_(?P<p>\d)_(?P<q>\d)", re.ASCII)
_OF_COLUMN: Final = re.compile(r"(?:CD|PC)\d_(?P<axis>[12])[A-Z]?", re.ASCII)
_OF_AXIS: Final = re.compile(r"(?:CDELT)(?P<axis>[12])[A-Z]?", re.ASCII)
_REFERENCE: Final = re.compile(r"CRPIX(?P<axis>[12])[A-Z]?", re.ASCII)
_NOT_TURNED: Final = re.compile(r"CROTA\d|(?:CD|PC)00\d00\d|(?:CPDIS|CQDIS)\d|D[PQ]\d.*|D2IM.*", re.ASCII)


def standard_notes(primary: fits.Header) -> tuple[str, ...]:
    """Return what the first header of a file says against the file."""
    conforms = readable(primary, "SIMPLE", None)
    if conforms is False:
        return ("SIMPLE: F, the file does not claim to follow the standard; read as if it did",)
    if conforms is not True:
        return (f"SIMPLE: {conforms!r} is not T; read as if it was",)
    return ()


def science_header(
    image: ScienceImage, headers: Sequence[fits.Header], primary: fits.Header | None, *, plane: Plane
) -> tuple[fits.Header, tuple[str, ...]]:
    """Return the header of the science image, and what is to be noted on the image.

    Args:
        image: which one it is.
        headers: of its HDUs, in the order of `image.hdus`, as images also if they are compressed; may be modified.
        primary: header of the primary HDU if the image is in another one; gives what that does not say.
        plane: of a colour image.
    """
    notes = list(image.notes)
    header = headers[0]
    if image.mosaic is not None:
        header = _of_mosaic(image, headers, notes)
    elif image.colours is not None:
        header = _of_two_axes(image, header, notes)
        if image.colours.planes > 1:
            notes[0] += f", of which {_described(plane, header)} is used"
            if plane == "luminance":
                _set_mean(header, image.colours.planes)
    if primary is not None:
        add_primary_cards(header, primary)
    return header, tuple(notes)


def _of_two_axes(image: ScienceImage, header: fits.Header, notes: list[str]) -> fits.Header:
    assert image.colours is not None
    rows, columns = image.shape
    if image.colours.axis == 2:
        gone = {keyword for keyword in header if is_of_coordinates(keyword)}
        if {"CRVAL1", "CTYPE1"} & gone:
            notes.append("CTYPE1: its axes are not those of the image, world coordinates are left out")
    else:
        gone = {keyword for keyword in header if _OF_FURTHER_AXES.fullmatch(keyword)}
        if isinstance(readable(header, "WCSAXES", None), int):
            header["WCSAXES"] = 2
    for keyword in gone | {keyword for keyword in header if _OF_FURTHER_AXES.fullmatch(keyword)}:
        header.remove(keyword, remove_all=True)
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, columns, rows
    return header


def _described(plane: Plane, header: fits.Header) -> str:
    if plane == "luminance":
        return "the mean of all (luminance)"
    number = plane_number(plane, header) + 1
    name = readable(header, f"PLANE{number}", None)
    return f"number {number} ({name if isinstance(name, str) and name.strip() else plane})"


def _set_mean(header: fits.Header, planes: int) -> None:
    reader = CardReader.of(header)
    for keyword, factor in [
        *((each, float(planes)) for each in _OF_GAIN),
        *((each, math.sqrt(planes)) for each in _OF_NOISE),
    ]:
        value = reader.number(keyword)
        if value is not None:
            header[keyword] = value * factor


def _of_mosaic(image: ScienceImage, headers: Sequence[fits.Header], notes: list[str]) -> fits.Header:
    mosaic = image.mosaic
    assert mosaic is not None
    straight = [
        number for number, part in enumerate(image.parts) if not (part.rows.runs_down or part.columns.runs_down)
    ]
    chosen = next((number for number in straight if _has_wcs(headers[number])), 0)
    if not _has_wcs(headers[chosen]):
        chosen = next((number for number, header in enumerate(headers) if _has_wcs(header)), 0)
    header = headers[0]
    source, part = headers[chosen].copy(), image.parts[chosen]
    for keyword in {each for each in header if is_of_coordinates(each)}:
        header.remove(keyword, remove_all=True)
    wcs = [card for card in source.cards if is_of_coordinates(card.keyword)]
    turned = part.rows.runs_down or part.columns.runs_down
    if turned and any(_NOT_TURNED.fullmatch(card.keyword) for card in wcs):
        notes.append("CTYPE1: the axes of every part run down, and cannot be turned: world coordinates are left out")
    else:
        header.extend(_moved(fits.Header(wcs), part).cards, update=True)
    gone = {each for each in header if PIXEL_REGION.fullmatch(each) or _OF_PIXEL_NUMBERS.fullmatch(each)}
    for keyword in gone:
        header.remove(keyword, remove_all=True)
    rows, columns = image.shape
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, columns, rows
    header[mosaic.keyword] = (mosaic.section, "what the images put together cover")
    _set_common(header, headers, notes)
    return header


def _set_common(header: fits.Header, headers: Sequence[fits.Header], notes: list[str]) -> None:
    """Set what differs between amplifiers to what holds best for all of them."""
    readers = [CardReader.of(each) for each in headers]
    for keyword in (*_AVERAGED, *_LOWEST):
        values = [value for reader in readers if (value := reader.number(keyword)) is not None]
        if not values or (min(values) == max(values) and len(values) == len(headers)):
            continue
        is_lowest = keyword in _LOWEST
        header[keyword] = min(values) if is_lowest else statistics.fmean(values)
        differ = f"{min(values):g} to {max(values):g}" if min(values) < max(values) else f"{values[0]:g} in some"
        notes.append(f"{keyword}: {differ} of the images put together, the {'lowest' if is_lowest else 'mean'} is used")


def _has_wcs(header: fits.Header) -> bool:
    return "CRVAL1" in header and "CTYPE1" in header


def _moved(header: fits.Header, part: Placed) -> fits.Header:
    """Return the world coordinates of a part as those of the image it lies in."""
    signs = {"1": -1 if part.columns.runs_down else 1, "2": -1 if part.rows.runs_down else 1}
    first = {"1": part.column, "2": part.row}
    ranges = {"1": part.columns, "2": part.rows}
    has_matrix = any(_OF_COLUMN.fullmatch(keyword) for keyword in header)
    for keyword, value in header_cards(header).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if match := _REFERENCE.fullmatch(keyword):
            axis = match["axis"]
            within = value - 1 - ranges[axis].first  # from 0
            if signs[axis] < 0:
                within = ranges[axis].count - 1 - within
            header[keyword] = first[axis] + within + 1
        elif (match := _OF_COLUMN.fullmatch(keyword)) or (not has_matrix and (match := _OF_AXIS.fullmatch(keyword))):
            header[keyword] = value * signs[match["axis"]]
        elif match := _SIP.fullmatch(keyword):
            own = signs["1" if match["kind"] == "A" else "2"]
            header[keyword] = value * own * signs["1"] ** int(match["p"]) * signs["2"] ** int(match["q"])
    return header
