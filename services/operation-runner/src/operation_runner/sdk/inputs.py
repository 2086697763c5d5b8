"""What an operation gets: images, one by one or as a stack, and a way to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from datalab.astro.sky.region import SkyRegion
from datalab.errors import UsageError

if TYPE_CHECKING:  # the runner itself needs neither numbers nor astronomy
    import numpy as np
    from astropy.io import fits
    from astropy.table import Table
    from numpy.typing import DTypeLike

    from datalab.astro.headers.description import FrameDescription
    from datalab.astro.sky.sky_index import SkyIndex
    from datalab.astro.types import Pixels
from operation_runner.sdk.parameters import FitsFile

Item = TypeVar("Item")


Result = TypeVar("Result")


#: Combines a stack of images, shape (images, rows, columns), into one, shape (rows, columns).
Combine: TypeAlias = "Callable[[Pixels], Pixels]"


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
    def notes(self) -> Sequence[str]:
        """What of the header, and of the pixels, was left out or mended, and why: a sentence each."""
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

    def mask(self) -> Pixels | None:
        """Return where pixels are bad by the masks of the file (BPM, MASK, DQ ...), bool, shape `shape`; None if none.

        Raises `UsageError` if a mask cannot be read.
        """
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
        self,
        function: Callable[[Image], Result],
        files: Sequence[FitsFile],
        *,
        progress: Progress,
        refused: Callable[[FitsFile, UsageError], Result] | None = None,
    ) -> Iterator[Result]:
        """Call a function for the image of every file, as `parallel` does; each is opened where the function runs.

        Raises `UsageError` if a file has no image, when its turn comes; with `refused` the answer for such a file, and
        for one the function refuses, is what that returns (see `operation_runner.recipes.each_image`).
        """
        ...

    def stars(self, region: SkyRegion) -> Table:
        """Return the Gaia DR3 sources of a region; see `datalab.astro.sky.gaia` for the columns.

        Raises `UsageError` if the region is too large, `TransientError` (tried again later) if Gaia does not answer.
        """
        ...

    def sky_indexes(self) -> Sequence[SkyIndex]:
        """Return the star indexes of this machine, for images of which nobody knows where they are; the widest first.

        The first time, on a machine, it takes some seconds to make the one that the installation brings the stars of.
        """
        ...
