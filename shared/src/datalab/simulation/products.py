"""The files an observatory makes of an exposure: FITS, header text, JPEG."""

import bz2
import gzip
import io
from pathlib import Path
from typing import BinaryIO, Literal

from astropy.io import fits
from PIL import Image

from datalab.astro.display.stretch import auto_stretch, to_8bit
from datalab.simulation.camera import Exposure
from datalab.simulation.source_catalogue import UNITS

Compression = Literal["fpack", "none", "gz", "bz2"]

FITS_SUFFIX: dict[Compression, str] = {"fpack": ".fits.fz", "none": ".fits", "gz": ".fits.gz", "bz2": ".fits.bz2"}
JPEG_LONG_SIDE_PX = 900  # what the observatories send
_JPEG_QUALITY = 90


def fits_bytes(exposure: Exposure, compression: Compression = "fpack") -> bytes:
    """A FITS file: an empty primary HDU, the image `SCI` with the whole header, the sources `CAT` (if any).

    `fpack` stores the image as RICE_1 tiles of one row, lossless for these integers; `gz` and `bz2` pack the whole
    file. The bytes depend on the exposure only: no date of writing anywhere.
    """
    if compression == "fpack":
        image: fits.CompImageHDU | fits.ImageHDU = fits.CompImageHDU(
            data=exposure.pixels,
            header=exposure.header,
            name="SCI",
            compression_type="RICE_1",
            tile_shape=(1, exposure.pixels.shape[1]),
        )
    else:
        image = fits.ImageHDU(data=exposure.pixels, header=exposure.header, name="SCI")
    hdus = fits.HDUList([fits.PrimaryHDU(), image])
    if exposure.catalogue is not None:
        catalogue = fits.BinTableHDU(exposure.catalogue, name="CAT")
        for column in catalogue.columns:
            column.unit = UNITS.get(column.name)
        hdus.append(catalogue)
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    content = buffer.getvalue()
    match compression:
        case "gz":
            return gzip.compress(content, mtime=0)
        case "bz2":
            return bz2.compress(content)
        case "fpack" | "none":
            return content


def write_fits(exposure: Exposure, target: Path | BinaryIO, compression: Compression = "fpack") -> None:
    """Write `fits_bytes` to a file (replaced if it exists) or an open binary stream."""
    content = fits_bytes(exposure, compression)
    if isinstance(target, Path):
        target.write_bytes(content)
    else:
        target.write(content)


def header_text(exposure: Exposure) -> bytes:
    """The header as observatories send it: 80-column cards without newlines, END, blanks up to a multiple of 2880."""
    header = fits.PrimaryHDU(data=exposure.pixels, header=exposure.header).header
    text: str = header.tostring(sep="", endcard=True, padding=True)
    return text.encode("ascii")


def jpeg_bytes(exposure: Exposure) -> bytes:
    """A grey JPEG with the first row of the FITS image at the bottom; never enlarged."""
    image = Image.fromarray(to_8bit(exposure.pixels, auto_stretch(exposure.pixels)))
    image.thumbnail((JPEG_LONG_SIDE_PX, JPEG_LONG_SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
