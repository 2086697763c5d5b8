"""Pictures of what an observatory sent: a small one of its JPEG, or both of its FITS file."""

from __future__ import annotations

import hashlib
from io import BytesIO

from PIL import Image

from datalab.astro.display.resizing import area_resized
from datalab.astro.display.stretch import auto_stretch, rendered
from datalab.errors import UsageError
from datalab.events.previews import PreviewKind
from datalab.fits.image import FitsImage
from operation_runner.previews.model import FitsTask, JpegTask, Pictures, Sizes

#: Pillow's own quality for thumbnails, which is that of the thumbnails people know.
_THUMBNAIL_QUALITY, _MEDIUM_QUALITY = 75, 90
#: A JPEG that claims more is none of an observatory. Pillow's own limit is a third of that, and only warns.
_MOST_PIXELS = 300_000_000
Image.MAX_IMAGE_PIXELS = None
Image.preinit()


def pictures_of_jpeg(task: JpegTask, sizes: Sizes) -> Pictures:
    """Return the thumbnail of a JPEG. Raises `UsageError` if it cannot be decoded to its end."""
    if hashlib.sha256(task.content).hexdigest() != task.sha256:
        raise UsageError("the file has changed since it was recorded")
    try:
        picture = Image.open(BytesIO(task.content), formats=("JPEG",))
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError("the file is no JPEG that can be decoded") from error
    if picture.width * picture.height > _MOST_PIXELS:
        raise UsageError(
            f"the JPEG has {picture.width} x {picture.height} pixels, at most {_MOST_PIXELS} make a thumbnail"
        )
    try:
        return {PreviewKind.THUMBNAIL: _thumbnail(picture, sizes)}
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise many kinds
        raise UsageError(f"the JPEG cannot be decoded: {error or type(error).__name__}") from error


def pictures_of_fits(task: FitsTask, sizes: Sizes) -> Pictures:
    """Return both pictures of the science image of a FITS file, stretched as `get-jpg` does it.

    Raises `UsageError` if the file is damaged, or has no image.
    """
    image = FitsImage(task.basename, task.path, work_dir=task.folder)
    try:
        pixels = image.pixels()
    finally:
        image.close()
    shape = _fitting(image.shape, sizes.longest_side_px)
    stretch = auto_stretch(pixels)
    medium = Image.fromarray(rendered(pixels if shape == image.shape else area_resized(pixels, shape), stretch))
    return {PreviewKind.MEDIUM: _jpeg(medium, _MEDIUM_QUALITY), PreviewKind.THUMBNAIL: _thumbnail(medium, sizes)}


def _fitting(shape: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """Return the shape of a picture with that longest side; that of the image if it has no longer one."""
    rows, columns = shape
    longest = max(shape)
    if longest <= longest_px:
        return shape
    return max(1, round(rows * longest_px / longest)), max(1, round(columns * longest_px / longest))


def _thumbnail(picture: Image.Image, sizes: Sizes) -> bytes:
    """Return a picture with that height as JPEG, never enlarged; a JPEG is decoded in a quarter of its size or less."""
    small = picture.copy() if picture.format is None else picture
    small.thumbnail((picture.width, sizes.thumbnail_height_px))
    return _jpeg(small, _THUMBNAIL_QUALITY)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    encoded = BytesIO()
    picture.convert("RGB").save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()
