"""Files of results: lossless, with checksums, and the same bytes whenever the same is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from datalab.astro.products.provenance import output_records
from datalab.astro.types import Pixels
from datalab.fits.hdus import BITPIX, Hdu, astropy_hdu, image_hdu, primary_hdu, write_hdus
from datalab.fits.science import CATALOGUE


def write_image(
    path: Path,
    pixels: Pixels,
    *,
    header: fits.Header,
    own: Sequence[fits.Card] = (),
    cards: Sequence[fits.Card],
    extensions: Mapping[str, Pixels],
    catalogue: Table | None,
) -> None:
    """Write an image as SCI, further images by extension name, and a catalogue as CAT.

    `cards` go into the primary header; `header` describes the image, but for how it was stored, and its `own` cards
    replace those of that.
    """
    hdus = [
        primary_hdu(cards),
        _image(pixels, output_records(header, _shape(pixels), own=own)),
        *(_image(other, [str(fits.Card("EXTNAME", name, "extension name"))]) for name, other in extensions.items()),
    ]
    if catalogue is not None:
        hdus.append(astropy_hdu(_table_hdu(catalogue)))
    write_hdus(path, hdus)


def write_cube(path: Path, planes: Mapping[str, Pixels], *, header: fits.Header, cards: Sequence[fits.Card]) -> None:
    """Write images of one shape as the planes of the cube SCI, which names them; `cards` as for `write_image`."""
    pixels = np.stack(list(planes.values()))
    names = [fits.Card(f"PLANE{number}", name, "what the plane shows") for number, name in enumerate(planes, start=1)]
    write_hdus(path, [primary_hdu(cards), _image(pixels, output_records(header, _shape(pixels), own=names))])


def _image(pixels: Pixels, records: Sequence[str]) -> Hdu:
    """Return an image extension; astropy writes pixels of types that FITS has only with an offset."""
    if pixels.dtype.str[1:] in BITPIX:
        return image_hdu(pixels, records)
    return astropy_hdu(fits.ImageHDU(np.array(pixels), fits.Header.fromstring("".join(records))))


def _shape(pixels: Pixels) -> tuple[int, int]:
    return int(pixels.shape[-2]), int(pixels.shape[-1])


def _table_hdu(catalogue: Table) -> fits.BinTableHDU:
    plain = Table(catalogue, copy=False)
    plain.meta.clear()
    hdu = fits.table_to_hdu(plain)
    hdu.name = CATALOGUE
    return hdu
