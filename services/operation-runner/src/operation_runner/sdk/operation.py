"""What an operation is made of. An operation's file needs this module and `datalab.astro`, nothing else.

Write a class with a name, a description, parameters and `compute`; the field metadata of `Parameters` becomes the
wizard users see and the schema requests are checked against:

    class Median(Operation):
        name = "Median"
        description = "..."
        version = 1
        lane = Lane.SLOW

        class Parameters(OperationParameters):
            input_files: Annotated[list[FitsFile], Field(title="Input Files", min_length=2, max_length=999)]

        def compute(self, inputs, parameters, progress):
            ...
            yield ImageProduct(pixels=..., header=..., comment="...")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, JsonValue, field_validator
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticUndefined

from datalab.astro.sky.region import SkyRegion
from datalab.errors import TransientError, UsageError
from datalab.events.operations import InputSource, Lane
from operation_runner.sdk.jobs import LocalPicture, LocalProduct

if TYPE_CHECKING:  # the runner itself needs neither numbers nor astronomy
    import numpy as np
    from astropy.io import fits
    from astropy.table import Table
    from numpy.typing import DTypeLike

    from datalab.astro.headers.description import FrameDescription
    from datalab.astro.types import Pixels

__all__ = [
    "DataProduct",
    "DiagnosticPicture",
    "FitsFile",
    "Hidden",
    "Image",
    "ImageProduct",
    "ImageStack",
    "Inputs",
    "Lane",
    "Operation",
    "OperationParameters",
    "PictureProduct",
    "Product",
    "Progress",
    "Refusals",
    "SkyPosition",
    "SkyRegion",
    "TransientError",
    "UsageError",
    "WizardKeys",
    "WrittenProduct",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Combines a stack of images, shape (images, rows, columns), into one, shape (rows, columns).
Combine: TypeAlias = "Callable[[Pixels], Pixels]"


class FitsFile(BaseModel):
    """A FITS file the user chose as input."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: InputSource
    basename: str = Field(min_length=1, max_length=256)


class SkyPosition(BaseModel):
    """A place on the sky the user chose, ICRS degrees; the wizard offers to look it up by name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str | None = Field(None, max_length=256)
    ra: Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
    dec: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class WizardKeys:
    """Further keys of a field's wizard input, as in `Annotated[..., WizardKeys({"single_filter": True})]`.

    They say how the form looks; requests are not checked against them. The key "type" replaces the word derived from
    the field's Python type.
    """

    keys: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Marks a field that requests may carry although no form shows it."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What users read when a field breaks its schema, by the keyword of JSON schema that is not satisfied.

    As in `Refusals({"required": "Operation Light Curve requires a source.", "*": "..."})`; "*" is for all others.
    Without it they read a sentence made from the schema.
    """

    texts: Mapping[str, str]

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Put the texts into the schema, for whoever checks requests against it."""
        return handler(core_schema) | {"x-refusals": dict(self.texts)}


class OperationParameters(BaseModel):
    """Base of every operation's parameters. They decide the result, so nothing else may be in them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="after")
    @classmethod
    def _sort_files(cls, value: Any) -> Any:
        """Sort lists of files by name: the order in which they were chosen must not make another result."""
        if isinstance(value, list) and value and all(isinstance(item, FitsFile) for item in value):
            return sorted(value, key=lambda file: (file.basename, file.source))
        return value

    def files(self) -> list[FitsFile]:
        """Return every input file, in the order of the fields."""
        found: list[FitsFile] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, FitsFile)]
        return found


class Progress:
    """Tells how far a computation is. Passed to `compute`; how often it is called does not matter."""

    def __init__(self, report: Callable[[float, str], None], *, start: float = 0.0, end: float = 1.0) -> None:
        self._report = report
        self._start = start
        self._end = end

    def __call__(self, fraction: float, message: str = "") -> None:
        """Report that `fraction` (0 to 1) of this part is done."""
        within = min(1.0, max(0.0, float(fraction)))  # in this order NaN is 0
        self._report(self._start + within * (self._end - self._start), message)

    def part(self, start: float, end: float) -> Progress:
        """Return the progress of a part of the work that spans `start` to `end` of this one."""
        span = self._end - self._start
        return Progress(self._report, start=self._start + start * span, end=self._start + end * span)


class Image(Protocol):
    """The science image of one input file. Pixels are read from disk when asked for."""

    @property
    def basename(self) -> str: ...

    @property
    def header(self) -> fits.Header:
        """The science header; cards that only the primary header has are in it too."""
        ...

    @property
    def description(self) -> FrameDescription:
        """Filter, time, exposure, target ... as the header says."""
        ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows `start` to `stop`, shape (stop - start, columns), native byte order, NaN where blank."""
        ...

    def pixels(self) -> Pixels:
        """Return all rows: an array of its own in memory, which the caller may change."""
        ...

    def catalogue(self) -> Table | None:
        """Return the sources of the CAT extension, one row each, column names in lower case; None if there is none.

        Raises `UsageError` if the extension is damaged.
        """
        ...


class ImageStack(Protocol):
    """Several images, cropped from the corner [0, 0] to their common shape."""

    @property
    def images(self) -> Sequence[Image]: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def combine(self, using: Combine, *, dtype: DTypeLike, progress: Progress) -> Pixels:
        """Combine the images band by band, side by side on all cores, and return the result, shape `shape`.

        `using` is a module-level function; it gets (images, rows, columns) of some rows and may overwrite them.
        Memory does not grow with the number of images: a band has fewer rows when there are more of them.
        """
        ...


class Inputs(Protocol):
    """The input files of one operation, and what else it may use of the machine."""

    def image(self, file: FitsFile) -> Image:
        """Return the science image of a file. Raises `UsageError` if the file has none."""
        ...

    def stack(self, images: Sequence[FitsFile | Image]) -> ImageStack:
        """Return the science images of several files, or images made on the way, as one stack. Raises `UsageError`."""
        ...

    def derived(self, image: Image, pixels: Pixels, header: fits.Header | None = None) -> Image:
        """Return an image of the same name with other pixels, such as `new_pixels` gives, and without catalogue."""
        ...

    def new_pixels(self, shape: tuple[int, ...], dtype: DTypeLike) -> Pixels:
        """Return an array for a result, kept on disk, filled with zeros, shared with the processes of `parallel`."""
        ...

    def parallel(
        self, function: Callable[[Item], Result], items: Sequence[Item], *, progress: Progress
    ) -> Iterator[Result]:
        """Call a function for every item, side by side on all cores, and yield what it returns, in the order of items.

        The calls happen in forked processes: they see everything there is when `parallel` is called and change nothing
        of it but arrays of `new_pixels`. What they return must be small (it is pickled), except products, also in a
        tuple: a product is written to disk by the process that made it, and comes back as a `WrittenProduct` to be
        yielded by `compute`. What a call raises is raised here.
        """
        ...

    def parallel_images(
        self, function: Callable[[Image], Result], files: Sequence[FitsFile], *, progress: Progress
    ) -> Iterator[Result]:
        """Call a function for the image of every file, as `parallel` does; each is opened where the function runs.

        Raises `UsageError` if a file has no image, when its turn comes.
        """
        ...

    def stars(self, region: SkyRegion) -> Table:
        """Return the Gaia DR3 sources of a region; see `datalab.astro.sky.gaia` for the columns.

        Raises `UsageError` if the region is too large, `TransientError` (tried again later) if Gaia does not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProduct:
    """An image to hand out: stored losslessly as FITS, shown as JPEG.

    `header` is the science header it inherits from; scaling and compression cards in it do not matter. `comment` goes
    into the FITS file. `inputs` are the images it was made of, for its provenance: every input of the operation, if
    not given. `catalogue` becomes the CAT extension; `extensions` are further images of the same shape by extension
    name, such as a mask.
    """

    pixels: Pixels
    header: fits.Header
    comment: str
    inputs: Sequence[Image] | None = None
    catalogue: Table | None = None
    extensions: Mapping[str, Pixels] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureProduct:
    """A colour picture to hand out: TIFF and JPEGs, and the images it was made of as a lossless FITS cube.

    `pixels` are 8-bit RGB as shown, shape (rows, columns, 3), top row first. `planes` are the images by name, each of
    shape (rows, columns), first row at the bottom; `header` is that of the cube's two celestial axes.
    """

    pixels: Pixels
    planes: Mapping[str, Pixels]
    header: fits.Header
    comment: str


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
    """A result that is not an image: a JSON object. NaN and infinity are shown as null."""

    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenProduct:
    """A product that is on disk already, from `Inputs.parallel`."""

    files: LocalProduct | LocalPicture


Product = ImageProduct | PictureProduct | DiagnosticPicture | DataProduct | WrittenProduct


class Operation(ABC):
    """A named computation: files and numbers in, products out. Knows no user, no session, no storage."""

    #: The name users see and requests carry.
    name: ClassVar[str]
    #: What it does, for users.
    description: ClassVar[str]
    #: To be raised whenever the same inputs would give another result: it is part of the result's identity.
    version: ClassVar[int]
    #: FAST for seconds, SLOW for anything that may take longer.
    lane: ClassVar[Lane]
    Parameters: ClassVar[type[OperationParameters]]

    @abstractmethod
    def compute(self, inputs: Inputs, parameters: Any, progress: Progress) -> Iterator[Product]:
        """Yield the products. Raises `UsageError` with a text for the user when the data cannot work."""

    @classmethod
    def wizard(cls) -> dict[str, JsonValue]:
        """Return the wizard description clients draw their form from, generated from `Parameters`."""
        return {
            "name": cls.name,
            "description": cls.description,
            "category": "image",
            "inputs": {
                name: _wizard_input(name, info)
                for name, info in cls.Parameters.model_fields.items()
                if Hidden() not in info.metadata
            },
        }


def _wizard_input(name: str, info: FieldInfo) -> dict[str, JsonValue]:
    described: dict[str, JsonValue] = {"name": info.title or name, "description": info.description or ""}
    if not any(isinstance(given, WizardKeys) and "type" in given.keys for given in info.metadata):
        kind, options = _wizard_type(name, info.annotation)
        described["type"] = kind
        if options:
            described["options"] = options
    for constraint in info.metadata:
        described |= _wizard_limit(constraint)
    if info.default is not PydanticUndefined and info.default is not None:
        described["default"] = info.default
    return described


def _wizard_limit(constraint: object) -> dict[str, JsonValue]:
    match constraint:
        case MinLen(min_length=least):
            return {"minimum": least}
        case MaxLen(max_length=most):
            return {"maximum": most}
        case Ge(ge=least) | Gt(gt=least):
            return {"minimum": _number(least)}
        case Le(le=most) | Lt(lt=most):
            return {"maximum": _number(most)}
        case WizardKeys(keys=keys):
            return dict(keys)
        case _:
            return {}


def _number(value: object) -> JsonValue:
    if not isinstance(value, int | float):
        raise TypeError(f"a wizard limit must be a number, not {value!r}")
    return value


def _wizard_type(name: str, annotation: Any) -> tuple[str, list[JsonValue]]:
    """Return the wizard's word for a Python type, and the choices if there are any."""
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(choices) == 1:  # an optional value is drawn as the value
        (annotation,) = choices
    if get_origin(annotation) is Literal:
        return "select", list(get_args(annotation))
    if get_origin(annotation) is list and issubclass(get_args(annotation)[0], FitsFile):
        return "fits", []
    words: dict[Any, str] = {int: "int", float: "float", str: "string", SkyPosition: "source"}
    if annotation not in words:
        raise TypeError(f"the wizard has no input for {name}: {annotation!r}")
    return words[annotation], []
