"""Whether the pixels of a compressed image can be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits

from datalab.errors import UsageError
from datalab.fits.layout import HduLayout, hdu_name
from datalab.fits.raw_frame import read_raw_frame
from datalab.fits.science import ScienceImage
from datalab.fits.stored import StoredImage


def decodable_headers(path: Path, hdus: Sequence[HduLayout], image: ScienceImage) -> list[fits.Header]:
    """Return the headers of all images the science image is put together of, each the image's own.

    Of tile-compressed ones the first and last row are decoded; nothing is read of others, and the file need not be
    unpacked for them. Raises `UsageError` if rows cannot be decoded.
    """
    return [_decodable(path, index, hdus[index], image) for index in image.hdus]


def _decodable(path: Path, index: int, hdu: HduLayout, image: ScienceImage) -> fits.Header:
    if hdu.header.get("ZIMAGE") is not True:
        return hdu.header.copy()
    try:
        frame = read_raw_frame(path) if image.is_plain else None
        if frame is not None and frame.index == index:
            for row in {0, frame.shape[0] - 1}:
                frame.rows.read(row, row + 1)
            return frame.header
        stored = StoredImage(path, hdu)
        try:
            shape = image.shape if image.mosaic is None else (stored.axes[1], stored.axes[0])
            read, _ = stored.reader(shape, colours=image.colours)
            for row in {0, shape[0] - 1}:
                read(row, row + 1)
            return stored.header
        finally:
            stored.close()
    except Exception as error:
        # Whatever the decompressor stumbles over in a file from outside is the file's fault.
        raise UsageError(
            f"{hdu_name(index, hdu.header)}: the compressed pixels cannot be decoded: {type(error).__name__}: {error}"
        ) from error
