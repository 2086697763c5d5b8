"""Several images combined band by band, on all cores, in memory that does not grow with their number."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from datalab.astro.geometry import common_shape
from datalab.events.operations import InputSource
from datalab.platform.errors import TransientError, UsageError
from operation_runner.adapters.fits_images import FitsImage
from operation_runner.adapters.process_limits import die_with_parent, share_memory
from operation_runner.sdk import FitsFile, Progress

Pixels = NDArray[Any]

#: Memory for the rows of one band, of all images together, in each process.
_BAND_BYTES = 12 * 1024**2
_MOST_BAND_ROWS = 128
#: Fewer pixels than this are combined faster than a process is started.
_PIXELS_WORTH_A_PROCESS = 2_000_000


class FitsImageStack:
    """Images cropped from the corner [0, 0] to their common shape."""

    def __init__(self, images: Sequence[FitsImage], *, new_pixels: Callable[..., Pixels], processes: int) -> None:
        self.images = images
        self.shape = common_shape([image.shape for image in images])
        self.dtype = np.result_type(*(image.dtype for image in images))
        self._new_pixels = new_pixels
        self._processes = processes

    def combine(self, using: Callable[[Pixels], Pixels], *, dtype: DTypeLike, progress: Progress) -> Pixels:
        """Combine the images and return the result, shape `shape`; see `operation_runner.sdk.ImageStack`."""
        result = self._new_pixels(self.shape, dtype)
        bands = list(self._bands())
        worth = int(np.prod(self.shape)) * len(self.images) // _PIXELS_WORTH_A_PROCESS
        processes = max(1, min(self._processes, worth, len(bands)))
        if processes == 1:
            for number, _ in enumerate(self._combine_bands(bands, using, result), start=1):
                progress(number / len(bands))
        else:
            self._combine_side_by_side(bands, using, result, processes, progress)
        return result

    def _bands(self) -> Iterator[tuple[int, int]]:
        rows, columns = self.shape
        row_bytes = len(self.images) * columns * self.dtype.itemsize
        height = max(1, min(_MOST_BAND_ROWS, _BAND_BYTES // row_bytes))
        for start in range(0, rows, height):
            yield start, min(start + height, rows)

    def _combine_bands(
        self, bands: Sequence[tuple[int, int]], using: Callable[[Pixels], Pixels], result: Pixels
    ) -> Iterator[None]:
        columns = self.shape[1]
        height = max(stop - start for start, stop in bands)
        stack = np.empty((len(self.images), height, columns), self.dtype)
        for start, stop in bands:
            band = stack[:, : stop - start]
            for layer, image in zip(band, self.images, strict=True):
                layer[:] = image.rows(start, stop)[:, :columns]
            result[start:stop] = using(band)
            yield

    def _combine_side_by_side(
        self,
        bands: Sequence[tuple[int, int]],
        using: Callable[[Pixels], Pixels],
        result: Pixels,
        processes: int,
        progress: Progress,
    ) -> None:
        """Fork, so that the children have the images as they are; each writes its bands into the shared result."""
        context = multiprocessing.get_context("fork")
        children: dict[Connection, ForkProcess] = {}
        parent = os.getpid()

        def work(share: Sequence[tuple[int, int]], connection: Connection) -> None:
            die_with_parent(parent)
            share_memory(processes)
            try:
                for _ in self._combine_bands(share, using, result):
                    connection.send(None)
            except (UsageError, TransientError, MemoryError, OSError) as error:
                connection.send(error)
            except Exception:  # noqa: BLE001 - the traceback would not survive the way to the parent
                connection.send(RuntimeError(traceback.format_exc()))

        try:
            for number in range(processes):
                receiving, sending = context.Pipe(duplex=False)
                child = context.Process(target=work, args=(bands[number::processes], sending))
                child.start()
                sending.close()
                children[receiving] = child
            _follow(children, len(bands), progress)
        finally:
            for child in children.values():
                child.kill()
                child.join()


def _follow(children: Mapping[Connection, ForkProcess], bands: int, progress: Progress) -> None:
    """Count finished bands until every child has closed its end. Raises what a child reports."""
    finished = 0
    open_ends = list(children)
    while open_ends:
        for connection in wait(open_ends):
            assert isinstance(connection, Connection)
            try:
                word = connection.recv()
            except EOFError:
                open_ends.remove(connection)
                children[connection].join()
                if children[connection].exitcode:
                    raise TransientError("A process that combined images was killed.") from None
                continue
            if word is not None:
                raise word
            finished += 1
            progress(finished / bands)


class FitsInputs:
    """The input files of one operation, opened where the computation runs, closed at the end of the block."""

    def __init__(self, paths: Mapping[tuple[InputSource, str], Path], *, work_dir: Path, processes: int) -> None:
        self._paths = paths
        self._work_dir = work_dir
        self._processes = processes
        self._results = 0
        self._images = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._images.close()

    def image(self, file: FitsFile) -> FitsImage:
        """Return the science image of a `FitsFile`. Raises `UsageError` if the file has none."""
        image = FitsImage(file.basename, self._paths[file.source, file.basename], work_dir=self._work_dir)
        self._images.callback(image.close)
        return image

    def stack(self, files: Sequence[FitsFile]) -> FitsImageStack:
        """Return the science images of several files as one stack. Raises `UsageError`."""
        return FitsImageStack(
            [self.image(file) for file in files], new_pixels=self.new_pixels, processes=self._processes
        )

    def new_pixels(self, shape: tuple[int, int], dtype: DTypeLike) -> Pixels:
        """Return an array on disk, filled with zeros, in the byte order FITS stores."""
        self._results += 1
        path = self._work_dir / f"result-{self._results}.pixels"
        return np.memmap(path, dtype=np.dtype(dtype).newbyteorder(">"), mode="w+", shape=shape)
