"""What an analysis action is made of. An action's file needs this module and `datalab.astro`, nothing else.

An action looks at one image while somebody waits. Write a class with a name, a description, parameters and `analyse`:

    class LineProfile(Analysis):
        name = "line-profile"
        description = "..."

        class Parameters(DisplayParameters):
            x1: float

        def analyse(self, image, parameters):
            return {"line_profile": ...}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from datalab.errors import UsageError
from operation_runner.sdk.parameters import ColourPlane, without_no_plane

if TYPE_CHECKING:
    import numpy as np
    from astropy.io import fits
    from astropy.table import Table
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from datalab.astro.display.resizing import DisplayScale
    from datalab.astro.headers.cards import HeaderValue

__all__ = [
    "AnalysedImage",
    "Analysis",
    "AnalysisParameters",
    "Coordinate",
    "Cutting",
    "DisplayParameters",
    "Glimpsing",
    "ImageByRows",
    "ImageInParts",
    "Part",
    "Rendering",
    "Showing",
    "UsageError",
]

#: A place on a display, in its pixels; numbers beyond this are no place on any.
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
_Side = Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)]


class AnalysisParameters(BaseModel):
    """Base of every action's parameters. What an action does not know is ignored: clients send more than they need."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    plane: Annotated[
        ColourPlane | None, Field(description="of a colour image, which of its planes; without it the green one")
    ] = None

    @model_serializer(mode="wrap")
    def _without_no_plane(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the fields; no plane is left out: files made to be saved are named by their parameters."""
        return without_no_plane(handler(self))

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, given: Any) -> Any:
        """Leave out what a form sends of fields nobody filled in, null or a blank text, so that it has its default."""
        if not isinstance(given, dict):
            return given
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {
            name: value
            for name, value in given.items()
            if not (name in optional and (value is None or (isinstance(value, str) and not value.strip())))
        }


class DisplayParameters(AnalysisParameters):
    """Parameters with positions on a display: see `datalab.astro.display.resizing`."""

    width: Annotated[_Side, Field(description="of the picture the user sees, in its pixels")]
    height: Annotated[_Side, Field(description="of the picture the user sees, in its pixels")]

    def scale(self, image: AnalysedImage) -> DisplayScale:
        """Return how positions of the picture become positions of the image."""
        from datalab.astro.display.resizing import DisplayScale  # noqa: PLC0415 - the runner itself needs no astronomy

        return DisplayScale.of(image.pixels.shape, width=self.width, height=self.height)


class ImageInParts(Protocol):
    """The science image of a file of which only a part may be here."""

    @property
    def basename(self) -> str: ...

    @property
    def sha256(self) -> str:
        """Checksum of the file."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def cards(self) -> fits.Header:
        """Return the header as it is, of the image and not of how it is stored; not to be changed."""
        ...

    def wcs(self) -> WCS | None:
        """Return the celestial coordinates, or None if the header has none."""
        ...

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
        """Return the pixels of rows and columns from the first on and before the second, native byte order."""
        ...


class ImageByRows(Protocol):
    """The science image of a file that is here, of which rows are read when they are asked for."""

    @property
    def basename(self) -> str: ...

    @property
    def path(self) -> Path:
        """The file as it is stored; not to be written to."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def wcs(self) -> WCS | None:
        """Return the celestial coordinates, or None if the header has none."""
        ...

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows from the first on and before the second, native byte order, NaN where blank."""
        ...


class AnalysedImage(Protocol):
    """The science image of the file."""

    @property
    def basename(self) -> str: ...

    @property
    def source(self) -> str:
        """Where the file comes from, "archive" or "datalab"."""
        ...

    @property
    def path(self) -> Path:
        """The file as it is stored; not to be written to."""
        ...

    def cards(self) -> fits.Header:
        """Return the header as it is, of the image and not of how it is stored; not to be changed."""
        ...

    def number(self, keyword: str) -> float | None:
        """Return the value of a card of the header; None if there is none, or it is no finite number."""
        ...

    def header(self) -> dict[str, HeaderValue]:
        """Return the values of the header by keyword."""
        ...

    @property
    def pixels(self) -> NDArray[Any]:
        """Shape (rows, columns), native byte order, NaN where blank. On disk, and not to be written to."""
        ...

    def resized(self, shape: tuple[int, int]) -> NDArray[np.floating]:
        """Return the image with another number of pixels: see `datalab.astro.display.resizing.area_resized`.

        Asked again for the same shape, it is there; not to be written to.
        """
        ...

    def level(self, number: int) -> NDArray[Any]:
        """Return the image in half the size so many times: see `datalab.astro.display.tiles`. Not to be written to."""
        ...

    def sample(self) -> NDArray[np.float64]:
        """Return about 2000 values, sorted, none undefined: see `datalab.astro.display.stretch.sample`.

        Raises `UsageError` if no pixel is defined.
        """
        ...

    def wcs(self) -> WCS | None:
        """Return the celestial coordinates, or None if the header has none."""
        ...

    def catalogue(self) -> Table | None:
        """Return the sources of the CAT extension, column names in lower case; None if there is none.

        Raises `UsageError` if the extension is damaged.
        """
        ...


class Analysis(ABC):
    """A named look at an image. Knows no user, no storage; takes a second at most."""

    #: The name in the path of its route: lower-case words joined by hyphens.
    name: ClassVar[str]
    #: What it does, for whoever writes a client.
    description: ClassVar[str]
    Parameters: ClassVar[type[AnalysisParameters]]

    @abstractmethod
    def analyse(self, image: AnalysedImage, parameters: Any) -> Any:
        """Return what is answered: JSON, where arrays of numpy are lists, bytes are base64, NaN and infinity are null.

        Raises `UsageError` with a text for the user when the data cannot work.
        """


class Rendering(Analysis):
    """An action whose result is a file, made once for the same parameters and kept; the answer links to it."""

    #: To be raised whenever the same file would give another result.
    version: ClassVar[int]
    #: The key of the link in the answer, how the file's name ends, what it is.
    link: ClassVar[str]
    extension: ClassVar[str]
    media_type: ClassVar[str]

    Parameters = AnalysisParameters

    @abstractmethod
    def render(self, image: AnalysedImage, parameters: Any, target: Path) -> None:
        """Write the file. Raises `UsageError` with a text for the user when the data cannot work."""

    def analyse(self, image: AnalysedImage, parameters: Any) -> Any:
        """Not to be called: there is nothing to answer but the link."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Part:
    """What a `Cutting`, `Showing` or `Glimpsing` answers: a file, and what it is."""

    body: bytes
    media_type: str


class Showing(Analysis):
    """An action that needs the whole image; the answer is a file, and nothing is stored."""

    @abstractmethod
    def show(self, image: AnalysedImage, parameters: Any) -> Part:
        """Return what is answered. Raises `UsageError` with a text for the user when the data cannot work."""

    def analyse(self, image: AnalysedImage, parameters: Any) -> Any:
        """Not to be called: what is answered is a file."""
        raise NotImplementedError


class Glimpsing(Analysis):
    """An action that some rows of the image are enough for: it is answered before all of it is decoded."""

    @abstractmethod
    def glimpse(self, image: ImageByRows, parameters: Any) -> Any:
        """Return what is answered, as `analyse` does, or a `Part`. Raises `UsageError` as that does."""

    def analyse(self, image: AnalysedImage, parameters: Any) -> Any:
        """Not to be called: there is `glimpse`."""
        raise NotImplementedError


class Cutting(Analysis):
    """An action that needs only a part of the image; the answer is a file, and nothing is stored."""

    @abstractmethod
    def cut(self, image: ImageInParts, parameters: Any) -> Part:
        """Return the part. Raises `UsageError` with a text for the user when the data cannot work."""

    def analyse(self, image: AnalysedImage, parameters: Any) -> Any:
        """Not to be called: what is answered is a file."""
        raise NotImplementedError
