"""Pictures to look at: JPEG and TIFF, from 8-bit grey (rows, columns) or RGB (rows, columns, 3), top row first."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin  # noqa: F401 - has TIFF written without looking for a plugin that can

from datalab.astro.display.resizing import enlarged_picture
from datalab.astro.types import Picture

#: The small picture fits a square of this side; JPEG quality. Both as existing clients know them.
_SMALL_SIDE_PX = 200
_QUALITY = 95
# Pillow loads its plugins when first used: once here, instead of in every process that is forked for a job.
Image.preinit()


def save_jpeg(pixels: Picture, target: Path, *, quality: int = _QUALITY) -> None:
    """Write a JPEG, RGB whatever the pixels are."""
    _save_jpeg(_image(pixels), target, quality)


def save_large_and_small_jpeg(pixels: Picture, large: Path, small: Path) -> None:
    """Write a picture in full size or as large as clients need it, and one that fits 200 x 200 pixels."""
    _save_jpeg(_image(enlarged_picture(pixels)), large, _QUALITY)
    picture = _image(pixels)
    picture.thumbnail((_SMALL_SIDE_PX, _SMALL_SIDE_PX))
    _save_jpeg(picture, small, _QUALITY)


def save_tiff(pixels: Picture, target: Path) -> None:
    """Write a lossless TIFF."""
    save_picture(_image(pixels), target, "TIFF", compression="tiff_deflate")


def save_picture(picture: Image.Image, target: Path, kind: str, **options: Any) -> None:
    """Write a picture as Pillow encodes it. Raises `OSError` as the system does, with its number.

    Pillow itself, on a disk that fills up, leaves a JPEG cut short without a word, and a TIFF without the reason.
    """
    encoded = BytesIO()
    picture.save(encoded, kind, **options)
    target.write_bytes(encoded.getbuffer())


def _image(pixels: Picture) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))


def _save_jpeg(picture: Image.Image, target: Path, quality: int) -> None:
    save_picture(picture.convert("RGB"), target, "JPEG", quality=quality)
