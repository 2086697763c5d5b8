"""Which image of a file is the science image, and what its header is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from astropy.io import fits

from datalab.astro.headers.cards import image_axes, readable
from datalab.errors import UsageError
from datalab.fits.files import opened

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


def with_primary_cards(header: fits.Header, primary: fits.Header) -> fits.Header:
    """Return a science header, and of the primary header what it lacks, but not how the file was made."""
    result = header.copy()
    result.extend(
        [
            card
            for card in primary.cards
            if is_of_the_exposure(card.keyword) and not _OF_ITS_MAKING.fullmatch(card.keyword)
        ],
        unique=True,
    )
    return result


def decodable_header(path: Path, index: int, *, hdu: str) -> fits.Header:
    """Return the header of a tile-compressed image, after decoding its first and last row.

    Raises `UsageError` if they cannot be; `hdu` is what the message calls the image.
    """
    try:
        # Mapped, the rows between are not read; scaled, all pixels would be.
        with opened(path, memmap=True, do_not_scale_image_data=True) as hdus:
            image = hdus[index]
            for row in {0, image.shape[0] - 1}:
                _ = image.section[row : row + 1, :]
            return cast("fits.Header", image.header.copy())
    except Exception as error:
        # Whatever the decompressor stumbles over in a file from outside is the file's fault.
        raise UsageError(f"{hdu}: the compressed pixels cannot be decoded: {type(error).__name__}: {error}") from error
