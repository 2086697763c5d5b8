"""Which image of a file is the science image, and what its header is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from astropy.io import fits

from datalab.astro.headers.cards import image_axes, readable

#: Extension names of the science image and of the catalogue of its sources.
SCIENCE, CATALOGUE = "SCI", "CAT"

#: Cards of a primary header that describe the file rather than the exposure: of no use beside another HDU's header.
_OF_THE_FILE = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|EXTNAME|PCOUNT|GCOUNT|CHECKSUM|DATASUM")
#: Cards that tell how a file was made, which does not hold for what is made from it.
_OF_ITS_MAKING = re.compile(r"COMMENT|HISTORY|DLAB\w*|")


def science_hdu(headers: Sequence[fits.Header]) -> int:
    """Return the index of the science image: the extension named SCI, else the first two-dimensional image.

    Args:
        headers: one per header-data unit, in the order of the file; tile-compressed images may be given by the
            header of their table (ZIMAGE) or by that of the image.

    Raises:
        ValueError: there is no image, or it has not two dimensions.
    """
    axes = [image_axes(header) for header in headers]
    named = [
        index for index, header in enumerate(headers) if str(readable(header, "EXTNAME", "")).strip().upper() == SCIENCE
    ]
    candidates = named or range(len(headers))
    for index in candidates:
        if len(axes[index]) == 2:
            return index
    dimensions = [len(axes[index]) for index in candidates if axes[index]]
    if dimensions:
        raise ValueError(f"the science image has {dimensions[0]} dimensions; only images of two can be used")
    raise ValueError("the extension SCI has no image" if named else "the file has no image")


def is_of_the_exposure(keyword: str) -> bool:
    """Tell whether a card of a primary header is of use beside the science header: not if it describes the file."""
    return not _OF_THE_FILE.fullmatch(keyword)


def add_primary_cards(header: fits.Header, primary: fits.Header) -> None:
    """Add to a science header what it lacks of the primary header, but not how the file was made."""
    header.extend(
        [
            card
            for card in primary.cards
            if is_of_the_exposure(card.keyword) and not _OF_ITS_MAKING.fullmatch(card.keyword)
        ],
        unique=True,
    )
