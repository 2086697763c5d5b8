"""The files of the console, read once: a page, and what it loads, each also compressed."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Where `services/console` builds them to; not in the repository.
BUILT: Final = Path(__file__).parent / "pages"
_PAGE: Final = "index.html"
#: Names in there change with what is in the files.
_IMMUTABLE: Final = "assets/"
#: What is packed already, and pictures.
_COMPRESSIBLE: Final = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file; `compressed` is None where that is no smaller. An immutable one never changes under its name."""

    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str
    immutable: bool


def read_pages(folder: Path = BUILT) -> Mapping[str, PageFile]:
    """Return the files of a folder by their path in it; none if the console was not built."""
    return {
        path.relative_to(folder).as_posix(): _read(path, path.relative_to(folder).as_posix())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def page_of(pages: Mapping[str, PageFile]) -> PageFile | None:
    """Return the page itself, None if the console was not built."""
    return pages.get(_PAGE)


def _read(path: Path, name: str) -> PageFile:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if media_type == "text/javascript":  # as systems differ in their tables
        media_type = "application/javascript"
    compressed = gzip.compress(content, 9, mtime=0) if media_type.startswith(_COMPRESSIBLE) else None
    return PageFile(
        content=content,
        compressed=compressed if compressed is not None and len(compressed) < len(content) else None,
        media_type=media_type,
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        immutable=name.startswith(_IMMUTABLE),
    )
