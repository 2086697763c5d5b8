"""From products to files: lossless FITS with provenance, and JPEGs to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from PIL import Image as Picture

import datalab
from datalab.astro.headers import describe, header_cards
from datalab.astro.provenance import output_header, provenance_cards
from datalab.astro.stretch import auto_stretch, to_8bit
from datalab.events.operations import InputFile
from operation_runner.domain.ports import Job, LocalFile, LocalProduct
from operation_runner.sdk import DataProduct, ImageProduct, Operation, Product

#: As existing clients know them: the small picture fits a square of this side; JPEG quality (handbook, section 5).
_SMALL_SIDE_PX = 200
_JPEG_QUALITY = 95
# Pillow loads its plugins when first used: once here, instead of in every process that is forked for a job.
Picture.preinit()

#: Rows turned into 8 bits at once.
_BAND_ROWS = 256


def write_products(products: Sequence[Product], *, operation: Operation, job: Job) -> tuple[LocalProduct, ...]:
    """Write every image product into the job's work folder; several are numbered from 1."""
    images = [product for product in products if isinstance(product, ImageProduct)]
    names = [job.result_key] if len(images) == 1 else [f"{job.result_key}-{n}" for n in range(1, len(images) + 1)]
    return tuple(
        _write_image(image, basename=name, operation=operation, job=job)
        for image, name in zip(images, names, strict=True)
    )


def data_contents(products: Sequence[Product]) -> tuple[Any, ...]:
    """Return the data products as strict JSON: NaN and infinity become null, arrays become lists."""
    return tuple(_strict_json(dict(product.content)) for product in products if isinstance(product, DataProduct))


def _write_image(product: ImageProduct, *, basename: str, operation: Operation, job: Job) -> LocalProduct:
    fits_path = job.work_dir / f"{basename}.fits"
    large, small = job.work_dir / f"{basename}-large.jpg", job.work_dir / f"{basename}-small.jpg"
    # Encoding a JPEG leaves the interpreter free, so the FITS file is written meanwhile.
    with ThreadPoolExecutor(1) as other:
        pictures = other.submit(_write_pictures, product.pixels, large, small)
        _write_fits(product, fits_path, operation=operation, job=job)
        pictures.result()
    described = describe(header_cards(product.header))
    return LocalProduct(
        basename=basename,
        type="fits",
        files={
            "fits": LocalFile(path=fits_path, media_type="application/fits"),
            "large": LocalFile(path=large, media_type="image/jpeg"),
            "small": LocalFile(path=small, media_type="image/jpeg"),
        },
        filter_name=described.filter_name,
        observation_date=described.capture_time.isoformat() if described.capture_time else None,
        target_name=described.target_name,
    )


def _write_fits(product: ImageProduct, path: Path, *, operation: Operation, job: Job) -> None:
    provenance = provenance_cards(
        software_version=datalab.__version__,
        operation=operation.name,
        operation_version=str(operation.version),
        parameters=job.parameters,
        inputs=_names_and_checksums(job.inputs),
        result_key=job.result_key,
        comment=product.comment,
    )
    primary = fits.PrimaryHDU()
    primary.header.extend(provenance, bottom=True)
    science = fits.ImageHDU(product.pixels, header=output_header(product.header, product.pixels.shape), name="SCI")
    hdus = fits.HDUList([primary, science])
    for hdu in hdus:
        # Left alone, astropy writes the present time here; a result computed again must have the same bytes.
        hdu.add_checksum(when="see FITS standard 4.0, section 4.4.2.7")
    hdus.writeto(path)


def _names_and_checksums(inputs: Sequence[InputFile]) -> list[tuple[str, str]]:
    return [(file.basename, file.sha256) for file in inputs]


def _write_pictures(pixels: np.ndarray[Any, Any], large: Path, small: Path) -> None:
    stretch = auto_stretch(pixels)
    rows, columns = pixels.shape
    shown = np.empty((rows, columns), np.uint8)
    for start in range(0, rows, _BAND_ROWS):
        stop = min(start + _BAND_ROWS, rows)
        # The first row of an image is at the bottom of its picture.
        shown[rows - stop : rows - start] = to_8bit(pixels[start:stop], stretch)
    picture = Picture.fromarray(shown)
    thumbnail = picture.copy()
    thumbnail.thumbnail((_SMALL_SIDE_PX, _SMALL_SIDE_PX))
    for target, content in ((large, picture), (small, thumbnail)):
        content.convert("RGB").save(target, "JPEG", quality=_JPEG_QUALITY)


def _strict_json(value: Any) -> Any:
    """Return `value` with everything JSON does not know replaced: also by numpy's own number types."""
    if isinstance(value, dict):
        return {str(key): _strict_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _strict_json(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    json.dumps(value, allow_nan=False)  # raises TypeError here, where the operation's author can see it
    return value
