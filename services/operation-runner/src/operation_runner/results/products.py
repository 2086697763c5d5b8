"""From products to files: lossless FITS with provenance, TIFF, and JPEGs to look at."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from astropy.io import fits
from astropy.table import Table
from PIL import Image as Picture

import datalab
from datalab.astro.display.stretch import auto_stretch, rendered
from datalab.astro.headers.reading import describe, header_cards
from datalab.astro.products.provenance import output_header, provenance_cards
from operation_runner.sdk import (
    DataProduct,
    DiagnosticPicture,
    ImageProduct,
    Operation,
    PictureProduct,
    Product,
    WrittenProduct,
)
from operation_runner.sdk.jobs import Job, LocalData, LocalFile, LocalPicture, LocalProduct

Value = TypeVar("Value")

#: As existing clients know them: the small picture fits a square of this side; JPEG quality (handbook, section 5).
_SMALL_SIDE_PX = 200
_JPEG_QUALITY = 95
#: Of pictures that belong to data (handbook, section 3.12).
_DIAGNOSTIC_QUALITY = 90
# Pillow loads its plugins when first used: once here, instead of in every process that is forked for a job.
Picture.preinit()


class ProductWriter:
    """Writes the products of one job into its work folder, in whichever process they are made."""

    def __init__(self, *, operation: Operation, job: Job) -> None:
        self._operation = operation
        self._job = job
        self._written = 0

    def write(self, value: Value) -> Value | WrittenProduct:
        """Write a product that becomes files, and return what was written; return anything else as it is."""
        match value:
            case ImageProduct():
                return WrittenProduct(self._write_image(value))
            case PictureProduct():
                return WrittenProduct(self._write_picture(value))
            case DiagnosticPicture():
                return WrittenProduct(self._write_diagnostic(value))
            case _:
                return value

    def collect(self, products: Iterable[Product], deliver: Callable[[LocalProduct], None]) -> tuple[LocalData, ...]:
        """Write products as they come, none of them kept in memory; deliver the files, return the data.

        Raises `TypeError` for what is no product, or no JSON, and for a picture that no data follows.
        """
        data: list[LocalData] = []
        pictures: list[LocalPicture] = []
        for product in products:
            match self.write(product):
                case WrittenProduct(files=LocalProduct() as product_files):
                    deliver(product_files)
                case WrittenProduct(files=LocalPicture() as picture):
                    pictures.append(picture)
                case DataProduct(content=content):
                    data.append(LocalData(content=strict_json(dict(content)), pictures=tuple(pictures)))
                    pictures = []
                case other:
                    raise TypeError(f"{other!r} is no product")
        if pictures:
            raise TypeError(f"the picture {pictures[0].name} belongs to no data: yield it before its DataProduct")
        return tuple(data)

    def _new_name(self) -> str:
        self._written += 1
        return f"product-{os.getpid()}-{self._written}"

    def _path(self, name: str) -> Path:
        return self._job.work_dir / name

    def _write_image(self, product: ImageProduct) -> LocalProduct:
        name = self._new_name()
        fits_path, large, small = (self._path(name + end) for end in (".fits", "-large.jpg", "-small.jpg"))
        _write_grey_pictures(product.pixels, large, small)
        names = None if product.inputs is None else {image.basename for image in product.inputs}
        self._write_fits(fits_path, _image_hdus(product), comment=product.comment, made_of=names)
        return _described("fits", product.header, {"fits": fits_path, "large": large, "small": small})

    def _write_picture(self, product: PictureProduct) -> LocalProduct:
        name = self._new_name()
        files = {
            "fits": self._path(f"{name}.fits"),
            "tif": self._path(f"{name}.tif"),
            "large": self._path(f"{name}-large.jpg"),
            "small": self._path(f"{name}-small.jpg"),
        }
        picture = Picture.fromarray(np.ascontiguousarray(product.pixels))
        picture.save(files["tif"], "TIFF", compression="tiff_deflate")
        _save_jpegs(picture, files["large"], files["small"])
        self._write_fits(files["fits"], [_cube_hdu(product)], comment=product.comment)
        return _described("image", product.header, files)

    def _write_diagnostic(self, product: DiagnosticPicture) -> LocalPicture:
        path = self._path(f"{self._new_name()}-diagnostic.jpg")
        Picture.fromarray(np.ascontiguousarray(product.pixels)).save(path, "JPEG", quality=_DIAGNOSTIC_QUALITY)
        return LocalPicture(field=product.field, name=product.name, file=LocalFile(path=path, media_type="image/jpeg"))

    def _write_fits(self, path: Path, extensions: list[Any], *, comment: str, made_of: set[str] | None = None) -> None:
        """Write a file that tells what it was made of: the inputs of these names, or all.

        A thousand images made of a thousand others must not each list all of them.
        """
        inputs = [file for file in self._job.inputs if made_of is None or file.basename in made_of]
        provenance = provenance_cards(
            software_version=datalab.__version__,
            operation=self._operation.name,
            operation_version=str(self._operation.version),
            parameters={name: _only_files_of(value, made_of) for name, value in self._job.parameters.items()},
            inputs=[(file.basename, file.sha256) for file in inputs],
            result_key=self._job.result_key,
            comment=comment,
        )
        primary = fits.PrimaryHDU()
        primary.header.extend(provenance, bottom=True)
        hdus = fits.HDUList([primary, *extensions])
        for hdu in hdus:
            # Left alone, astropy writes the present time here; a result computed again must have the same bytes.
            hdu.add_checksum(when="see FITS standard 4.0, section 4.4.2.7")
        hdus.writeto(path)


_MEDIA_TYPES = {".fits": "application/fits", ".tif": "image/tiff", ".jpg": "image/jpeg"}


def _described(kind: Any, header: fits.Header, files: Mapping[str, Path]) -> LocalProduct:
    described = describe(header_cards(header))
    return LocalProduct(
        type=kind,
        files={role: LocalFile(path=path, media_type=_MEDIA_TYPES[path.suffix]) for role, path in files.items()},
        filter_name=described.filter_name,
        observation_date=described.capture_time.isoformat() if described.capture_time else None,
        target_name=described.target_name,
    )


def _image_hdus(product: ImageProduct) -> list[Any]:
    hdus: list[Any] = [
        fits.ImageHDU(
            _as_stored(product.pixels), header=output_header(product.header, product.pixels.shape), name="SCI"
        )
    ]
    hdus += [fits.ImageHDU(_as_stored(pixels), name=name) for name, pixels in product.extensions.items()]
    if product.catalogue is not None:
        hdus.append(_table_hdu(product.catalogue))
    return hdus


def _as_stored(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return pixels in the byte order of FITS, copied if they are in another one.

    Given others, astropy turns their bytes round in place while it writes; the operation may still need them.
    """
    return np.asarray(pixels, dtype=pixels.dtype.newbyteorder(">"))


def _table_hdu(catalogue: Table) -> fits.BinTableHDU:
    plain = Table(catalogue, copy=False)
    plain.meta.clear()
    hdu = fits.table_to_hdu(plain)
    hdu.name = "CAT"
    return hdu


def _cube_hdu(product: PictureProduct) -> fits.ImageHDU:
    planes = list(product.planes.values())
    header = output_header(product.header, planes[0].shape)
    for number, name in enumerate(product.planes, start=1):
        header[f"PLANE{number}"] = (name, "what the plane shows")
    return fits.ImageHDU(np.stack(planes), header=header, name="SCI")


def _only_files_of(value: Any, names: set[str] | None) -> Any:
    """Return a parameter's value; of a list of files only those of these names, if any are given."""
    if names is None or not isinstance(value, list):
        return value
    return [item for item in value if not isinstance(item, dict) or item.get("basename") in (None, *names)]


def _write_grey_pictures(pixels: np.ndarray[Any, Any], large: Path, small: Path) -> None:
    _save_jpegs(Picture.fromarray(rendered(pixels, auto_stretch(pixels))), large, small)


def _save_jpegs(picture: Picture.Image, large: Path, small: Path) -> None:
    thumbnail = picture.copy()
    thumbnail.thumbnail((_SMALL_SIDE_PX, _SMALL_SIDE_PX))
    for target, content in ((large, picture), (small, thumbnail)):
        content.convert("RGB").save(target, "JPEG", quality=_JPEG_QUALITY)


def strict_json(value: Any) -> Any:
    """Return `value` with everything JSON does not know replaced: also by numpy's own number types."""
    if isinstance(value, dict):
        return {str(key): strict_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return strict_json(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    json.dumps(value, allow_nan=False)  # raises TypeError here, where the operation's author can see it
    return value
