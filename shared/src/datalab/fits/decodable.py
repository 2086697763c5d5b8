"""Whether the pixels of a compressed image can be read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from astropy.io import fits

from datalab.errors import UsageError
from datalab.fits.files import opened
from datalab.fits.raw_frame import read_raw_frame


def decodable_header(path: Path, index: int, *, hdu: str) -> fits.Header:
    """Return the header of a tile-compressed image, after decoding its first and last row.

    Raises `UsageError` if they cannot be; `hdu` is what the message calls the image.
    """
    try:
        frame = read_raw_frame(path)
        if frame is not None and frame.index == index:
            for row in {0, frame.shape[0] - 1}:
                frame.rows.read(row, row + 1)
            return frame.header
        # Mapped, the rows between are not read; scaled, all pixels would be.
        with opened(path, memmap=True, do_not_scale_image_data=True) as hdus:
            image = hdus[index]
            for row in {0, image.shape[0] - 1}:
                _ = image.section[row : row + 1, :]
            return cast("fits.Header", image.header.copy())
    except Exception as error:
        # Whatever the decompressor stumbles over in a file from outside is the file's fault.
        raise UsageError(f"{hdu}: the compressed pixels cannot be decoded: {type(error).__name__}: {error}") from error
