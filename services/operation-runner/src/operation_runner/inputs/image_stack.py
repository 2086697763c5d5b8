"""Input images and what is made of them: one by one or band by band, on all cores, in bounded memory."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from astropy.io import fits
from numpy.typing import DTypeLike

from datalab.astro.headers.description import FrameDescription, describe_header
from datalab.astro.pixels.geometry import bands, common_shape
from datalab.astro.types import Pixels
from datalab.events.operations import InputSource
from datalab.fits.image import FitsImage
from datalab.processes.forked import call_each
from operation_runner.inputs.notes import InputNotes
from operation_runner.sdk import FitsFile, Image, Progress, SkyRegion, UsageError

if TYPE_CHECKING:
    from astropy.table import Table

    from datalab.astro.sky.sky_index import SkyIndex

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Memory for the rows of one band, of all images together, in each process.
_BAND_BYTES = 6 * 1024**2
_MOST_BAND_ROWS = 128
#: Reading fewer rows of a file at once takes longer than decoding them.
_LEAST_BAND_ROWS = 4
#: Arrays of this size need no file: a stack has few of them, and a file costs more than they do.
_SMALL_ARRAY_BYTES = 256 * 1024
#: Fewer pixels than this are combined faster than a process is started.
_PIXELS_WORTH_A_PROCESS = 2_000_000


class DerivedImage:
    """An image made on the way: the name and header of an input, other pixels, no catalogue."""

    def __init__(self, image: Image, pixels: Pixels, header: fits.Header) -> None:
        self._source = image
        self.basename = image.basename
        self.header = header
        self.shape: tuple[int, int] = (int(pixels.shape[0]), int(pixels.shape[1]))
        self.dtype = pixels.dtype.newbyteorder("=")
        self._pixels = pixels

    @cached_property
    def description(self) -> FrameDescription:
        """What the header says."""
        return describe_header(self.header)

    @property
    def notes(self) -> Sequence[str]:
        """What was noted on the image this one was made of."""
        return self._source.notes

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows `start` to `stop`; see `operation_runner.sdk.Image`."""
        return np.array(self._pixels[start:stop], dtype=self.dtype)

    def pixels(self) -> Pixels:
        """Return all rows."""
        return self.rows(0, self.shape[0])

    def mask(self) -> Pixels | None:
        """Return None: whoever made these pixels knows which of them are bad."""
        return None

    def catalogue(self) -> Table | None:
        """Return None: what was measured in other pixels may not hold for these."""
        return None


class FitsImageStack:
    """Images cropped from the corner [0, 0] to their common shape."""

    def __init__(self, images: Sequence[Image], *, new_pixels: Callable[..., Pixels], processes: int) -> None:
        self.images = images
        self.shape = common_shape([image.shape for image in images])
        self.dtype = np.result_type(*(image.dtype for image in images))
        self._new_pixels = new_pixels
        self._processes = processes

    def combine(self, using: Callable[[Pixels], Pixels], *, dtype: DTypeLike, progress: Progress) -> Pixels:
        """Combine the images and return the result, shape `shape`; see `operation_runner.sdk.ImageStack`."""
        result = self._new_pixels(self.shape, dtype)
        parts = list(self._bands())
        worth = int(np.prod(self.shape)) * len(self.images) // _PIXELS_WORTH_A_PROCESS
        combined = call_each(self._combining(using, result), parts, processes=min(self._processes, worth))
        for number, _ in enumerate(combined, start=1):
            progress(number / len(parts))
        return result

    def _bands(self) -> Iterator[tuple[int, int]]:
        rows, columns = self.shape
        row_bytes = len(self.images) * columns * self.dtype.itemsize
        height = max(_LEAST_BAND_ROWS, min(_MOST_BAND_ROWS, _BAND_BYTES // row_bytes))
        return bands(rows, height)

    def _combining(self, using: Callable[[Pixels], Pixels], result: Pixels) -> Callable[[tuple[int, int]], None]:
        """Return the function that combines one band; in each process it makes one stack for all its bands."""
        columns = self.shape[1]
        stacks: list[Pixels] = []

        def combine_band(band: tuple[int, int]) -> None:
            start, stop = band
            if not stacks:  # the first band of a process is as high as any
                stacks.append(np.empty((len(self.images), stop - start, columns), self.dtype))
            stack = stacks[0][:, : stop - start]
            for layer, image in zip(stack, self.images, strict=True):
                layer[:] = image.rows(start, stop)[:, :columns]
            result[start:stop] = using(stack)

        return combine_band


class FitsInputs:
    """The input files of one operation, opened where the computation runs, closed at the end of the block."""

    def __init__(
        self,
        paths: Mapping[tuple[InputSource, str], Path],
        *,
        work_dir: Path,
        processes: int,
        write: Callable[[Any], Any],
        stars: Callable[[SkyRegion], Table],
        noted: InputNotes | None = None,
        sky_indexes: Callable[[], Sequence[SkyIndex]] = tuple,
    ) -> None:
        """Take what a job brings.

        `write` puts products on disk and returns anything else as it is; `stars` asks the star catalogue; `sky_indexes`
        opens those of this machine. What is noted on the images that are opened is kept in `noted`.
        """
        self._paths = paths
        self._work_dir = work_dir
        self._processes = processes
        self._write = write
        self._arrays = 0
        self._images = ExitStack()
        self._noted = InputNotes() if noted is None else noted
        self.stars = stars
        self.sky_indexes = sky_indexes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._images.close()

    def image(self, file: FitsFile) -> FitsImage:
        """Return the science image of a `FitsFile`. Raises `UsageError` if the file has none."""
        image = self._opened(file)
        self._images.callback(image.close)
        return image

    def _opened(self, file: FitsFile) -> FitsImage:
        path = self._paths[file.source, file.basename]
        image = FitsImage(file.basename, path, work_dir=self._work_dir, plane=file.plane)
        self._noted.add(image)
        return image

    def stack(self, images: Sequence[FitsFile | Image]) -> FitsImageStack:
        """Return images, or those of files, as one stack. Raises `UsageError`."""
        opened = [self.image(image) if isinstance(image, FitsFile) else image for image in images]
        return FitsImageStack(opened, new_pixels=self.new_pixels, processes=self._processes)

    def derived(self, image: Image, pixels: Pixels, header: fits.Header | None = None) -> DerivedImage:
        """Return an image with other pixels."""
        return DerivedImage(image, pixels, image.header if header is None else header)

    def new_pixels(self, shape: tuple[int, ...], dtype: DTypeLike) -> Pixels:
        """Return an array on disk, or in memory if it is small, filled with zeros, in the byte order FITS stores.

        Processes forked from this one write into the same array.
        """
        stored = np.dtype(dtype).newbyteorder(">")
        size = math.prod(shape) * stored.itemsize
        if 0 < size <= _SMALL_ARRAY_BYTES:
            return np.frombuffer(mmap(-1, size), stored).reshape(shape)
        self._arrays += 1
        path = self._work_dir / f"{os.getpid()}-{self._arrays}.pixels"
        if sys.platform == "linux":
            # A file that only promises its pixels ends the process that writes one where the disk has no room.
            with path.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
            return np.memmap(path, dtype=stored, mode="r+", shape=shape)
        return np.memmap(path, dtype=stored, mode="w+", shape=shape)

    def parallel(
        self, function: Callable[[Item], Result], items: Sequence[Item], *, progress: Progress
    ) -> Iterator[Result]:
        """Yield what a function returns for every item; see `operation_runner.sdk.Inputs`."""

        def call(item: Item) -> Any:
            opened_before = len(self._noted)
            answer = self._written(function(item))
            return answer, self._noted.since(opened_before)

        for number, (answer, noted) in enumerate(call_each(call, items, processes=self._processes), start=1):
            self._noted.learn(noted)
            progress(number / len(items))
            yield answer

    def parallel_images(
        self,
        function: Callable[[Image], Result],
        files: Sequence[FitsFile],
        *,
        progress: Progress,
        refused: Callable[[FitsFile, UsageError], Result] | None = None,
    ) -> Iterator[Result]:
        """Yield what a function returns for the image of every file; see `operation_runner.sdk.Inputs`."""

        def call(file: FitsFile) -> Any:
            try:
                with closing(self._opened(file)) as image:
                    return self._written(function(image))
            except UsageError as error:
                if refused is None:
                    raise
                return refused(file, error)

        yield from self.parallel(call, files, progress=progress)

    def _written(self, answer: Any) -> Any:
        if type(answer) is tuple:
            return tuple(self._write(part) for part in answer)
        return self._write(answer)
