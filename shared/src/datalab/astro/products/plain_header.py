"""An image as the only HDU of a file: what its header says, and how its pixels are stored."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from astropy.io import fits

from datalab.astro.products.provenance import output_records
from datalab.astro.types import Pixels

_BITPIX: Final = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
_BLOCK_BYTES: Final = 2880
#: Types FITS has only with an offset (FITS Standard 4.0, section 4.4.2.5): what is stored for them.
_WITH_OFFSET: Final = {"i1": "u1", "u2": "i2", "u4": "i4", "u8": "i8"}
#: What a tile-compressed image is called that has no name.
_NO_NAME: Final = "COMPRESSED_IMAGE"


def plain_header(header: fits.Header, shape: tuple[int, int], dtype: np.dtype[Any]) -> fits.Header:
    """Return the header of a primary HDU with the image that `header` describes: its cards, but those on storage.

    Args:
        header: of the image; not modified. Cards beyond repair are left out.
        shape: (rows, columns) of the image.
        dtype: of its pixels as they are meant.

    Raises:
        TypeError: FITS has no such pixels.
    """
    stored = _stored_type(dtype)
    made = fits.Header()
    made["SIMPLE"] = (True, "conforms to FITS standard")
    made["BITPIX"] = (_BITPIX[stored], "array data type")
    made["NAXIS"] = (2, "number of array dimensions")
    made["NAXIS1"], made["NAXIS2"] = shape[1], shape[0]
    if stored != dtype.str[1:]:
        made["BSCALE"] = 1
        made["BZERO"] = -128 if stored == "u1" else 2 ** (8 * dtype.itemsize - 1)
    kept = fits.Header.fromstring("".join(output_records(header, shape)))
    del kept["EXTNAME"]
    name = header.get("EXTNAME")
    if isinstance(name, str) and name.strip() not in {"", _NO_NAME}:
        kept.insert(0, ("EXTNAME", name, "extension name"))
    made.extend(kept.cards, end=True)
    return made


def plain_file(header: fits.Header, pixels: Pixels) -> bytes:
    """Return a file with one image; `header` is its `plain_header`, perhaps with more cards."""
    stored = stored_pixels(pixels)
    data = stored.astype(stored.dtype.newbyteorder(">"), copy=False).tobytes()
    text: str = header.tostring()
    return text.encode("ascii") + data + bytes(-len(data) % _BLOCK_BYTES)


def stored_pixels(pixels: Pixels) -> Pixels:
    """Return pixels as a file with their `plain_header` has them, in this machine's byte order."""
    stored = _stored_type(pixels.dtype)
    native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    if stored == pixels.dtype.str[1:]:
        return native
    sign = native.dtype.type(1) << native.dtype.type(8 * native.itemsize - 1)
    if native.dtype.kind == "u":
        turned: Pixels = np.bitwise_xor(native, sign)
        return turned.view(stored)
    return np.bitwise_xor(native.view(np.uint8), np.uint8(0x80))


def _stored_type(dtype: np.dtype[Any]) -> str:
    kind = _WITH_OFFSET.get(dtype.str[1:], dtype.str[1:])
    if kind not in _BITPIX:
        raise TypeError(f"FITS has no pixels of type {dtype}")
    return kind
