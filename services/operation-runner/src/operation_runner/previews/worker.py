"""What a process that makes pictures does."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable

from datalab.fits.configuration import remember_settings
from datalab.processes.limits import limit_memory
from datalab.processes.worker import Parent
from operation_runner.previews.model import FitsTask, JpegTask, Pictures, Sizes
from operation_runner.previews.pictures import pictures_of_fits, pictures_of_jpeg

#: Users wait for operations and analyses, and for no picture: theirs is the larger part of a busy machine (a third as
#: much for these).
_NICENESS = 5
#: What a packed file may unpack to.
_LARGEST_FILE_BYTES = 4 * 1024**3


def painting(_: Parent, memory_bytes: int, sizes: Sizes) -> Callable[[JpegTask | FitsTask], Pictures]:
    """Return the function that makes the pictures of a file."""
    os.nice(_NICENESS)
    limit_memory(memory_bytes)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE_BYTES, hard))
    remember_settings()

    def paint(task: JpegTask | FitsTask) -> Pictures:
        return pictures_of_jpeg(task, sizes) if isinstance(task, JpegTask) else pictures_of_fits(task, sizes)

    return paint
