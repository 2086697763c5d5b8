"""Input files on local disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from datalab.events.operations import InputFile, InputSource

#: Input files on local disk, by source and basename.
InputPaths = Mapping[tuple[InputSource, str], Path]


class InputCache(Protocol):
    def pinned(self, files: Sequence[InputFile]) -> AbstractAsyncContextManager[InputPaths]:
        """Fetch what is not here yet, verified, and keep all of it here until the end of the block."""
        ...

    def work_dir(self) -> AbstractAsyncContextManager[Path]:
        """Lend an empty folder on the same disk, removed at the end of the block."""
        ...
