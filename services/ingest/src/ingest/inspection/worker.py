"""What a process that looks inside files does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datalab.documents.file_names import Content
from datalab.fits.configuration import remember_settings
from datalab.processes.limits import limit_memory
from datalab.processes.worker import Parent
from ingest.frames.model import Inspection
from ingest.inspection.file import inspect_file


def inspecting(
    _: Parent, memory_bytes: int, max_expanded_bytes: int
) -> Callable[[tuple[bytes | Path, Content, str]], Inspection]:
    """Return the function that looks inside a file, given with its content and compression."""
    limit_memory(memory_bytes)
    remember_settings()

    def inspect(file: tuple[bytes | Path, Content, str]) -> Inspection:
        try:
            return inspect_file(*file, max_expanded_bytes=max_expanded_bytes)
        except OSError as error:
            raise RuntimeError("a copy of ours cannot be read") from error

    return inspect
