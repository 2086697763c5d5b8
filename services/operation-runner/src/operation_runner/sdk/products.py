"""What an operation makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from operation_runner.sdk.jobs import LocalPicture, LocalProduct

if TYPE_CHECKING:  # the runner itself needs neither numbers nor astronomy
    from astropy.io import fits
    from astropy.table import Table

    from datalab.astro.types import Pixels
    from operation_runner.sdk.inputs import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProduct:
    """An image to hand out: stored losslessly as FITS, shown as JPEG.

    `header` is the science header it inherits from; scaling and compression cards in it do not matter. `comment` goes
    into the FITS file. `inputs` are the images it was made of, for its provenance: every input of the operation, if
    not given. `catalogue` becomes the CAT extension; `extensions` are further images of the same shape by extension
    name, such as a mask. `is_exposure` is whether it can be measured in the place of an exposure, as one that was
    corrected, cut or moved can: not what is combined of several or rescaled. Wizards begin with all exposures of a
    filter. `notes` are sentences on what was left out, mended or is doubtful; those on the inputs come by themselves.
    """

    pixels: Pixels
    header: fits.Header
    comment: str
    is_exposure: bool = True
    inputs: Sequence[Image] | None = None
    catalogue: Table | None = None
    extensions: Mapping[str, Pixels] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureProduct:
    """A colour picture to hand out: TIFF and JPEGs, and the images it was made of as a lossless FITS cube.

    `pixels` are 8-bit RGB as shown, shape (rows, columns, 3), top row first. `planes` are the images by name, each of
    shape (rows, columns), first row at the bottom; `header` is that of the cube's two celestial axes. `notes` as for
    `ImageProduct`.
    """

    pixels: Pixels
    planes: Mapping[str, Pixels]
    header: fits.Header
    comment: str
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticPicture:
    """A picture that belongs to the next `DataProduct`, which shows its link as `content[field][name]`.

    `pixels` as for `PictureProduct`.
    """

    field: str
    name: str
    pixels: Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProduct:
    """A result that is not an image: a JSON object. NaN and infinity are shown as null.

    `content["notes"]`, if given, is a list of sentences as of `ImageProduct`; those on the inputs are added to it.
    """

    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenProduct:
    """A product that is on disk already, from `Inputs.parallel`."""

    files: LocalProduct | LocalPicture


Product = ImageProduct | PictureProduct | DiagnosticPicture | DataProduct | WrittenProduct
