"""Files of results: lossless, with checksums, and the same bytes whenever the same is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from datalab.astro.products.provenance import output_header
from datalab.astro.types import Pixels
from datalab.fits.science import CATALOGUE, SCIENCE


def write_image(
    path: Path,
    pixels: Pixels,
    *,
    header: fits.Header,
    cards: Sequence[fits.Card],
    extensions: Mapping[str, Pixels],
    catalogue: Table | None,
) -> None:
    """Write an image as SCI, further images by extension name, and a catalogue as CAT.

    `cards` go into the primary header; `header` describes the image, but for how it was stored.
    """
    hdus: list[Any] = [
        fits.ImageHDU(_as_stored(pixels), header=output_header(header, pixels.shape), name=SCIENCE),
        *(fits.ImageHDU(_as_stored(other), name=name) for name, other in extensions.items()),
    ]
    if catalogue is not None:
        hdus.append(_table_hdu(catalogue))
    _write(path, cards, hdus)


def write_cube(path: Path, planes: Mapping[str, Pixels], *, header: fits.Header, cards: Sequence[fits.Card]) -> None:
    """Write images of one shape as the planes of the cube SCI, which names them; `cards` as for `write_image`."""
    pixels = np.stack(list(planes.values()))  # a copy, whose bytes astropy may turn round
    cube_header = output_header(header, pixels.shape[1:])
    for number, name in enumerate(planes, start=1):
        cube_header[f"PLANE{number}"] = (name, "what the plane shows")
    _write(path, cards, [fits.ImageHDU(pixels, header=cube_header, name=SCIENCE)])


def _write(path: Path, cards: Sequence[fits.Card], extensions: Sequence[Any]) -> None:
    primary = fits.PrimaryHDU()
    primary.header.extend(cards, bottom=True)
    hdus = fits.HDUList([primary, *extensions])
    for hdu in hdus:
        # Left alone, astropy writes the present time here; what is written again must have the same bytes.
        hdu.add_checksum(when="see FITS standard 4.0, section 4.4.2.7")
    # Every card was made or mended here (`output_header`); astropy would check all of them once more.
    hdus.writeto(path, output_verify="ignore")


def _as_stored(pixels: Pixels) -> Pixels:
    """Return pixels in the byte order of FITS, copied if they are in another one.

    Given others, astropy turns their bytes round in place while it writes; the caller may still need them.
    """
    return np.asarray(pixels, dtype=pixels.dtype.newbyteorder(">"))


def _table_hdu(catalogue: Table) -> fits.BinTableHDU:
    plain = Table(catalogue, copy=False)
    plain.meta.clear()
    hdu = fits.table_to_hdu(plain)
    hdu.name = CATALOGUE
    return hdu
