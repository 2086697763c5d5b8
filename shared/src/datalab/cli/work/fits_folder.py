"""A folder of somebody's FITS files, by their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from datalab.cli.output import printable
from datalab.cli.work.demonstration import DemoFailedError

_FITS: Final = re.compile(r".+\.(?:fits?|fts)(?:\.fz|\.gz|\.bz2)?", re.IGNORECASE | re.DOTALL)
_FITS_SUFFIXES: Final = ".fits, .fit or .fts, and then perhaps .fz, .gz or .bz2"


def fits_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the FITS files of a folder, and for what else there is why it is no such file.

    Raises `DemoFailedError` if there are none.
    """
    entries = sorted(folder.iterdir())
    paths = [path for path in entries if path.is_file() and _FITS.fullmatch(path.name) and _is_text(path.name)]
    skipped = {printable(path.name): _why_skipped(path) for path in entries if path not in paths}
    if not paths:
        others = "".join(f"\n  {name}: {reason}" for name, reason in skipped.items())
        raise DemoFailedError(f"{folder} has no FITS files ({_FITS_SUFFIXES}){others}")
    return paths, skipped


def _is_text(name: str) -> bool:
    """Tell whether a name can be written in UTF-8; what else a disk may hold, Python shows in surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_skipped(path: Path) -> str:
    if path.is_dir():
        return "a folder; only the files beside it are taken"
    if not path.is_file():
        return "no file, or a link to none"
    if not _is_text(path.name):
        return "its name is no text in UTF-8"
    return f"no FITS file by its name ({_FITS_SUFFIXES})"
