"""Files of which a few bytes are looked at, which needs no process of its own."""

from __future__ import annotations

from pathlib import Path

from datalab.documents.file_names import Content
from datalab.errors import UsageError
from ingest.frames.model import Inspection

_JPEG_START = b"\xff\xd8\xff"


def is_plain(content: Content) -> bool:
    """Tell whether nothing inside a file is read."""
    return content in {Content.JPEG, Content.OPAQUE}


def inspect_plain(file: bytes | Path, content: Content) -> Inspection:
    """Return what a file is. Raises `UsageError` if it does not begin like what its name says."""
    if content is Content.OPAQUE:
        return Inspection(media_type="application/octet-stream")
    if _beginning(file) != _JPEG_START:
        raise UsageError("not a JPEG file: it does not begin like one")
    return Inspection(media_type="image/jpeg")


def _beginning(file: bytes | Path) -> bytes:
    if isinstance(file, bytes):
        return file[: len(_JPEG_START)]
    with file.open("rb") as opened:
        return opened.read(len(_JPEG_START))
