"""Which image of a file is the science image, which are its masks, and what its header is.

One decision, from headers alone, for whoever reads a file: ingest, operations, analyses and previews.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from astropy.io import fits

from datalab.astro.headers.cards import COMMENTARY, HeaderCards, image_axes, is_empty, readable
from datalab.fits.amplifiers import Mosaic, Placed, mosaic_of

#: Extension names of the science image and of the catalogue of its sources.
SCIENCE, CATALOGUE = "SCI", "CAT"

#: Of a colour image: one of its planes, or the mean of all.
Plane = Literal["red", "green", "blue", "luminance"]
PLANES: Final[tuple[Plane, ...]] = ("red", "green", "blue")
#: What is used of a colour image: its pixels are as they were measured, and cards such as GAIN hold for them.
DEFAULT_PLANE: Final[Plane] = "green"

#: Cards of a primary header that describe the file rather than the exposure: of no use beside another HDU's header.
_OF_THE_FILE = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|EXTNAME|PCOUNT|GCOUNT|CHECKSUM|DATASUM")
#: Cards that tell how a file was made, which does not hold for what is made from it.
_OF_ITS_MAKING = re.compile(r"COMMENT|HISTORY|DLAB\w*|")

#: Words in names of images that are none of the sky: of where pixels are bad, of how wrong they are, of what was made.
_OF_MASKS: Final = re.compile(r"\w*MASK|\w*BPM|DQA?|DATAQUAL|(?:DATA)?QUALITY|QUAL|BAD|BADPIX\w*|FLAGS?", re.ASCII)
_OF_OTHERS: Final = re.compile(
    r"\w*(?:WEIGHTS?|ERRORS?|VARIANCE|UNCERTAINTY|ERR|VAR|WHT|WGT)|WT|UNC|UNCERT|SIGMA|ST(?:D|DEV|DDEV)|RMS|NOISE|"
    r"CONF|CONFIDENCE|EXP(?:OSURE)?MAP|COVERAGE|COV|NCOMBINE|NCOADD|SAMP|TIME|"
    r"BKG|BACKGROUND|SEG(?:M|MAP|MENTATION)?|PSF|THUMB(?:NAIL)?|PREVIEW|QUICKLOOK",
    re.ASCII,
)
#: Keywords that say what an image extension is: its name, the HDUCLASS convention (OGIP 1993) and that of LSST.
_KINDS: Final = ("EXTNAME", "HDUCLAS2", "EXTTYPE")
_TYPE_OF_FILE: Final = ("OBSTYPE", "IMAGETYP", "FRAME")
#: Names that count parts of one camera.
_NUMBERED_PART: Final = re.compile(r"(SCI|IM|AMP|CCD|CHIP|SEGMENT|DET|QUAD|SECTION|N|S)[-_ ]?\d+[A-Z]?", re.ASCII)
#: Kinds of a third axis whose three planes may be colours.
_COLOUR_AXIS: Final = re.compile(r"|LINEAR|PIXEL|.*(?:RGB|COLOU?R|BAND|FILTER|PLANE|CHANNEL|PASSBAND).*", re.ASCII)
_COLOURS: Final = 3
_MOST_NAMED: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourAxis:
    """Which axis of the stored array has the planes, and how many there are; 0 is the slowest one of numpy."""

    axis: Literal[0, 2]
    planes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScienceImage:
    """The science image of a file: HDUs by index, all that it is put together of, and what is odd about it."""

    hdus: tuple[int, ...]
    parts: tuple[Placed, ...]
    shape: tuple[int, int]
    #: Masks of the image, each of as many HDUs as the image.
    masks: tuple[tuple[int, ...], ...] = ()
    mosaic: Mosaic | None = None
    colours: ColourAxis | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is one HDU as it is."""
        return self.mosaic is None and self.colours is None


def science_image(headers: Sequence[fits.Header]) -> ScienceImage:
    """Return which image of a file is the science image: those named SCI, else the first that shows the sky.

    Masks, weights, errors and models never are, but for the only image of a file that says itself to be such a frame.
    Axes of one pixel do not count. Three planes are a colour image. Several images named SCI, or as parts of a camera,
    are put together where their headers say how.

    Args:
        headers: one per HDU, in the order of the file; tile-compressed images may be given by the header of their
            table (ZIMAGE) or by that of the image.

    Raises:
        ValueError: there is no image, or none that can be used, with the reason.
    """
    images = [_Candidate(index, header) for index, header in enumerate(headers) if image_axes(header)]
    named = [image for image in images if image.name == SCIENCE]
    if not named and any(_name(header) == SCIENCE for header in headers):
        raise ValueError("the extension SCI has no image")
    shown = [image for image in images if image.kind == "sky"]
    if not images:
        raise ValueError("the file has no image")
    if not (named or shown):
        shown = _only_image(images, headers[0])
    chosen = named or _parts_of_one(shown) or [_first_usable(shown)]
    masks = [image for image in images if image.kind == "mask" and image not in chosen]
    unused = [image for image in shown if image not in chosen]
    notes = [f"{_listed(unused)}: further images, not used"] if unused else []
    if len(chosen) > 1:
        return _put_together(chosen, masks, notes)
    (image,) = chosen
    shape, colours = image.usable()
    if colours is not None and colours.planes > 1:
        places = "planes" if colours.axis == 0 else "numbers for each pixel"
        notes.append(f"NAXIS: a colour image of {colours.planes} {places}")
    elif len(image.axes) > 2:
        notes.append(f"NAXIS: {' x '.join(map(str, image.axes))} pixels, axes of one pixel left out")
    fitting, others = _masks_of([shape], masks)
    notes += [f"{_listed(others)}: of another size than the image, not used as a mask"] if others else []
    return ScienceImage(
        hdus=(image.index,),
        parts=(Placed.whole(shape),),
        shape=shape,
        masks=fitting,
        colours=colours,
        notes=tuple(notes),
    )


def is_of_the_exposure(keyword: str) -> bool:
    """Tell whether a card of a primary header is of use beside the science header: not if it describes the file."""
    return not _OF_THE_FILE.fullmatch(keyword)


def shows_the_sky(name: str) -> bool:
    """Tell whether an image of that extension name may be a science image."""
    return _kind_of(name) == "sky"


def add_primary_cards(header: fits.Header, primary: fits.Header) -> None:
    """Add to a science header what it lacks of the primary header, but not how the file was made.

    An empty card of the science header counts as lacking.
    """
    said_twice = [
        keyword
        for keyword in dict.fromkeys(primary)
        if keyword in header and keyword not in COMMENTARY and is_of_the_exposure(keyword)
    ]
    if said_twice:
        cards, further = HeaderCards(header), HeaderCards(primary)
        for keyword in said_twice:
            if is_empty(cards[keyword]) and not is_empty(further[keyword]):
                header.remove(keyword, remove_all=True)
    header.extend(
        [
            card
            for card in primary.cards
            if is_of_the_exposure(card.keyword) and not _OF_ITS_MAKING.fullmatch(card.keyword)
        ],
        unique=True,
    )


def plane_number(plane: Plane, header: fits.Header) -> int:
    """Return which plane of a colour image is meant, from 0: the one that PLANEn names so, else by the order RGB."""
    names = [str(readable(header, f"PLANE{number}", "")).lower() for number in range(1, _COLOURS + 1)]
    called = [number for number, name in enumerate(names) if plane in re.split(r"[^a-z]+", name)]
    return called[0] if len(called) == 1 else PLANES.index(plane)


class _Candidate:
    """An image of a file that may be the science image."""

    def __init__(self, index: int, header: fits.Header) -> None:
        self.index = index
        self.header = header
        self.axes = image_axes(header)
        self.name = _name(header)
        self.kind = _kind(header)

    def usable(self) -> tuple[tuple[int, int], ColourAxis | None]:
        """Return the shape of the image and its colours. Raises `ValueError` if it has too many dimensions."""
        columns, *further = self.axes
        if not further:
            raise ValueError("the science image has 1 dimension; only images of two can be used")
        rows, *further = further
        longer = [length for length in further if length != 1]
        if not longer:
            colours = None
            if further:
                colours = ColourAxis(axis=0, planes=1)
            return (rows, columns), colours
        if len(longer) == 1:
            kind = self._kind_of_axis(3 + further.index(longer[0]))
            if longer[0] == _COLOURS:
                if not _COLOUR_AXIS.fullmatch(kind):
                    raise ValueError(f"the science image has 3 dimensions, and its 3 planes are no colours but {kind}")
                return (rows, columns), ColourAxis(axis=0, planes=_COLOURS)
            if columns in (1, _COLOURS) and len(self.axes) == 3:
                return (longer[0], rows), ColourAxis(axis=2, planes=columns)
        lengths = " x ".join(map(str, self.axes))
        raise ValueError(
            f"the science image has {len(self.axes)} dimensions ({lengths}); only images of two can be used, and "
            "colour images of 3 planes"
        )

    def is_usable(self) -> bool:
        try:
            self.usable()
        except ValueError:
            return False
        return True

    def _kind_of_axis(self, number: int) -> str:
        return str(readable(self.header, f"CTYPE{number}", "")).strip().upper()


def _name(header: fits.Header) -> str:
    return str(readable(header, "EXTNAME", "")).strip().upper()


def _kind(header: fits.Header) -> Literal["sky", "mask", "other"]:
    kinds = [_kind_of(str(readable(header, keyword, ""))) for keyword in _KINDS]
    return next((kind for kind in kinds if kind != "sky"), "sky")


def _kind_of(name: str) -> Literal["sky", "mask", "other"]:
    words = [word for word in re.split(r"[^A-Z]+", name.upper()) if word]
    if any(_OF_MASKS.fullmatch(word) for word in words):
        return "mask"
    return "other" if any(_OF_OTHERS.fullmatch(word) for word in words) else "sky"


def _only_image(images: list[_Candidate], primary: fits.Header) -> list[_Candidate]:
    """Return the only image of a file of no sky that says itself what it is: a frame of bad pixels is one too."""
    if len(images) == 1 and any(
        _kind_of(str(readable(header, keyword, ""))) != "sky"
        for header in (images[0].header, primary)
        for keyword in _TYPE_OF_FILE
    ):
        return images
    raise ValueError(f"the file has no image of the sky, only {_listed(images)}")


def _parts_of_one(images: list[_Candidate]) -> list[_Candidate]:
    """Return images that are parts of one, by their names or what they say of their place; none if they are not."""
    flat = [image for image in images if image.is_usable() and len(image.axes) == 2]
    numbered = [image for image in flat if _NUMBERED_PART.fullmatch(image.name)]
    if len(numbered) > 1:
        return numbered
    # What was made of one image says as well where on the detector that is.
    return flat if len(flat) > 1 and flat == images and _fit_together(flat) else []


def _fit_together(images: list[_Candidate]) -> bool:
    try:
        mosaic_of([image.header for image in images], [image.usable()[0] for image in images])
    except ValueError:
        return False
    return True


def _first_usable(images: list[_Candidate]) -> _Candidate:
    return next((image for image in images if image.is_usable()), images[0])


def _put_together(chosen: list[_Candidate], masks: list[_Candidate], notes: list[str]) -> ScienceImage:
    shapes = []
    for image in chosen:
        shape, colours = image.usable()
        if colours is not None:
            raise ValueError(f"the file has {len(chosen)} science images of more than two dimensions")
        shapes.append(shape)
    try:
        mosaic = mosaic_of([image.header for image in chosen], shapes)
    except ValueError as error:
        raise ValueError(f"the file has {len(chosen)} science images, {_listed(chosen)}, and {error}") from None
    rows, columns = mosaic.shape
    notes.append(f"{mosaic.keyword}: {len(chosen)} images of one detector put together, {columns} x {rows} pixels")
    if mosaic.is_trimmed:
        notes.append("DATASEC: overscan and what else is beside it is cut off; nothing was subtracted for it")
    if mosaic.has_gaps:
        notes.append(f"{mosaic.keyword}: gaps between the images are blank")
    fitting, others = _masks_of(shapes, masks)
    notes += [f"{_listed(others)}: do not fit the images, not used as masks"] if others else []
    return ScienceImage(
        hdus=tuple(image.index for image in chosen),
        parts=mosaic.parts,
        shape=mosaic.shape,
        masks=fitting,
        mosaic=mosaic,
        notes=tuple(notes),
    )


def _masks_of(
    shapes: Sequence[tuple[int, int]], masks: list[_Candidate]
) -> tuple[tuple[tuple[int, ...], ...], list[_Candidate]]:
    """Return the masks of images of these shapes, and those of other shapes or numbers."""
    fitting: list[tuple[int, ...]] = []
    others: list[_Candidate] = []
    by_name: dict[str, list[_Candidate]] = {}
    for mask in masks:
        # Each image has a mask of its own: of one name, or of names that are counted.
        by_name.setdefault(mask.name if len(shapes) == 1 else mask.name.rstrip("0123456789_- "), []).append(mask)
    for same in by_name.values():
        groups = [same] if len(shapes) > 1 else [[mask] for mask in same]
        for group in groups:
            if [mask.axes[1::-1] for mask in group if len(mask.axes) == 2] == list(shapes):
                fitting.append(tuple(mask.index for mask in group))
            else:
                others += group
    return tuple(fitting), others


def _listed(images: Sequence[_Candidate]) -> str:
    names = [f"HDU {image.index}{f' ({image.name})' if image.name else ''}" for image in images[:_MOST_NAMED]]
    return ", ".join(names) + (" ..." if len(images) > _MOST_NAMED else "")
