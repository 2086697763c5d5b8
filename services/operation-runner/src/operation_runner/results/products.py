"""The products of a computation, from what an operation yields to files in the work folder of its job."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from astropy.io import fits

import datalab
from datalab.astro.display.stretch import auto_stretch, rendered
from datalab.astro.headers.card_reader import CardReader
from datalab.astro.products.provenance import provenance_cards
from datalab.fits.pictures import save_jpeg, save_large_and_small_jpeg, save_tiff
from datalab.fits.writing import write_cube, write_image
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
#: Tells what is noted on the input images of some names, or on all (None).
InputNotesOf = Callable[[Collection[str] | None], Sequence[str]]

#: Of pictures that belong to data, as existing clients know them.
_DIAGNOSTIC_QUALITY = 90
#: A thousand inputs may have several notes each, of which these say what is wrong with them.
_MOST_NOTES = 500
#: The card of an image that is none, or is made of one that is none.
_IS_EXPOSURE = "DLABEXP"
#: It says so also to those who cut or move what the header describes.
_NO_EXPOSURE = fits.Card(_IS_EXPOSURE, value=False, comment="combined or rescaled, not one exposure")


def _no_notes(_: Collection[str] | None) -> Sequence[str]:
    return ()


class ProductWriter:
    """Writes the products of one job into its work folder, in whichever process they are made."""

    def __init__(self, *, operation: Operation, job: Job, input_notes: InputNotesOf = _no_notes) -> None:
        """`input_notes` tells what is noted on the input images of some names, or on all (None)."""
        self._operation = operation
        self._job = job
        self._input_notes = input_notes
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
                    noted = {**content, "notes": self._notes(content.get("notes", ()), made_of=None)}
                    data.append(LocalData(content=strict_json(noted), pictures=tuple(pictures)))
                    pictures = []
                case other:
                    raise TypeError(f"{other!r} is no product")
        if pictures:
            raise TypeError(f"the picture {pictures[0].name} belongs to no data: yield it before its DataProduct")
        return tuple(data)

    def _paths(self, *ends: str) -> list[Path]:
        """Return where the files of the next product go, one for each end of a name."""
        self._written += 1
        return [self._job.work_dir / f"product-{os.getpid()}-{self._written}{end}" for end in ends]

    def _write_image(self, product: ImageProduct) -> LocalProduct:
        fits_path, large, small = self._paths(".fits", "-large.jpg", "-small.jpg")
        save_large_and_small_jpeg(rendered(product.pixels, auto_stretch(product.pixels)), large, small)
        names = None if product.inputs is None else tuple(dict.fromkeys(image.basename for image in product.inputs))
        notes = self._notes(product.notes, made_of=names)
        is_exposure = product.is_exposure and product.header.get(_IS_EXPOSURE) is not False
        write_image(
            fits_path,
            product.pixels,
            header=product.header,
            own=() if is_exposure else (_NO_EXPOSURE,),
            cards=self._provenance(product.comment, notes, made_of=names),
            extensions=product.extensions,
            catalogue=product.catalogue,
        )
        files = {"fits": fits_path, "large": large, "small": small}
        return _described("fits", product.header, files, notes=notes, made_of=names, is_exposure=is_exposure)

    def _write_picture(self, product: PictureProduct) -> LocalProduct:
        fits_path, tif, large, small = self._paths(".fits", ".tif", "-large.jpg", "-small.jpg")
        save_tiff(product.pixels, tif)
        save_large_and_small_jpeg(product.pixels, large, small)
        notes = self._notes(product.notes, made_of=None)
        write_cube(fits_path, product.planes, header=product.header, cards=self._provenance(product.comment, notes))
        files = {"fits": fits_path, "tif": tif, "large": large, "small": small}
        return _described("image", product.header, files, notes=notes, is_exposure=False)

    def _write_diagnostic(self, product: DiagnosticPicture) -> LocalPicture:
        (path,) = self._paths("-diagnostic.jpg")
        save_jpeg(product.pixels, path, quality=_DIAGNOSTIC_QUALITY)
        return LocalPicture(field=product.field, name=product.name, file=LocalFile(path=path, media_type="image/jpeg"))

    def _notes(self, own: Iterable[str], *, made_of: Collection[str] | None) -> tuple[str, ...]:
        """Return the notes of a product, its own first, then those on what it was made of; each once."""
        notes = tuple(dict.fromkeys((*own, *self._input_notes(made_of))))
        if len(notes) <= _MOST_NOTES:
            return notes
        return (*notes[:_MOST_NOTES], f"... and {len(notes) - _MOST_NOTES} more notes on the inputs")

    def _provenance(
        self, comment: str, notes: Sequence[str], *, made_of: Collection[str] | None = None
    ) -> list[fits.Card]:
        """Return the cards that tell what a product was made of: the inputs of these names, or all.

        A thousand images made of a thousand others must not each list all of them.
        """
        inputs = [file for file in self._job.inputs if made_of is None or file.basename in made_of]
        return provenance_cards(
            software_version=datalab.__version__,
            operation=self._operation.name,
            operation_version=str(self._operation.version),
            parameters={name: _only_files_of(value, made_of) for name, value in self._job.parameters.items()},
            inputs=[(file.basename, file.sha256) for file in inputs],
            result_key=self._job.result_key,
            comment=comment,
            notes=notes,
        )


_MEDIA_TYPES = {".fits": "application/fits", ".tif": "image/tiff", ".jpg": "image/jpeg"}


def _described(
    kind: Any,
    header: fits.Header,
    files: Mapping[str, Path],
    *,
    notes: tuple[str, ...],
    is_exposure: bool,
    made_of: tuple[str, ...] | None = None,
) -> LocalProduct:
    # Three values of the header: a whole description would cost a small operation a tenth of its time.
    reader = CardReader.of(header)
    capture_time = reader.capture_time()
    return LocalProduct(
        type=kind,
        files={role: LocalFile(path=path, media_type=_MEDIA_TYPES[path.suffix]) for role, path in files.items()},
        inputs=made_of,
        filter_name=reader.filter_name(),
        observation_date=capture_time.isoformat() if capture_time else None,
        target_name=reader.text("OBJECT"),
        is_exposure=is_exposure,
        notes=notes,
    )


def _only_files_of(value: Any, names: Collection[str] | None) -> Any:
    """Return a parameter's value; of a list of files only those of these names, if any are given."""
    if names is None or not isinstance(value, list):
        return value
    return [item for item in value if not isinstance(item, dict) or item.get("basename") in (None, *names)]


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
