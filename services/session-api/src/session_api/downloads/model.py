"""What can be downloaded, and in which form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal, cast

from pydantic import JsonValue

from datalab.documents.frame import FrameDocument, FrameFile
from datalab.errors import TransientError, UsageError
from datalab.events.operations import InputFile, InputSource
from session_api.archive.rows import FrameRow
from session_api.uploads.model import object_key

Form = Literal["fits", "tif", "raw"]
Stretch = Literal["linear", "arcsinh"]

#: How clients name forms; whatever else they say means the file as it is.
_FORMS: Final[Mapping[str, Form]] = {"tif": "tif", "tiff": "tif", "fits": "fits", "fits.fz": "fits", "fz": "fits"}
#: How the name of a FITS file ends, plain or packed.
FITS_ENDINGS: Final = (".fits.fz", ".fits.bz2", ".fits.gz", ".fits")
#: Roles of files by their size, as `image` packages count them; `fits` is the one file of frames in LCO's naming.
LARGE_ROLES, SMALL_ROLES = ("fits_01", "fits_00", "fits"), ("fits_10", "fits_13")
#: Where a frame has no file of a role, what else is one of its kind: clients make names up, with the level they expect.
_INSTEAD: Final[Mapping[str, str]] = {
    "fits_00": "fits_01",
    "fits_01": "fits_00",
    "fits_10": "fits_13",
    "fits_13": "fits_10",
    "jpg_10": "jpg_13",
    "jpg_13": "jpg_10",
}
_DIGITS: Final = re.compile(r"[+-]?\d{1,18}(\.\d*)?", re.ASCII)


class StillBeingMadeError(TransientError):
    """It is being made, and goes on: whoever asks again finds it."""


class Size(StrEnum):
    """Which file of each frame goes into an archive."""

    SMALL = "small"
    LARGE = "large"
    BEST = "best"

    @property
    def roles(self) -> Sequence[str]:
        """The roles of the file, the first that is there."""
        return {Size.SMALL: SMALL_ROLES, Size.LARGE: LARGE_ROLES, Size.BEST: (*LARGE_ROLES, *SMALL_ROLES)}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDownload:
    """A file somebody asks for by its name, and in which form."""

    key: str
    name: str
    folder: str
    form: Form
    stretch: Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedArchive:
    """The images of a site between two instants, both included."""

    site: str
    start: datetime
    end: datetime
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that may be read. `filter_name` is that of its frame."""

    key: str
    sha256: str
    size_bytes: int
    etag: str
    basename: str
    filter_name: str | None = None
    source: InputSource = InputSource.ARCHIVE

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.key.rpartition("/")[2]

    def as_input(self) -> InputFile:
        """Return the file as runners are told of it."""
        return InputFile(
            source=self.source, basename=self.basename, key=self.key, sha256=self.sha256, size_bytes=self.size_bytes
        )


def wanted_download(*, name: str, folder: str, form: str | None, stretch: str | None) -> WantedDownload:
    """Return what is asked for. Raises `RefusedError` in the words clients know, `UsageError`."""
    return WantedDownload(
        key=object_key(folder=folder, name=name),
        name=name,
        folder=folder,
        form=_FORMS.get((form or "fits").lower(), "raw"),
        stretch="arcsinh" if (stretch or "arcsinh").lower() == "arcsinh" else "linear",
    )


def wanted_archive(*, site: str, start: JsonValue, end: JsonValue, size: str) -> WantedArchive:
    """Return what is asked for. Raises `UsageError`."""
    try:
        chosen = Size(size.lower())
    except ValueError:
        raise UsageError("fits_size must be either 'small', 'large', or 'best'.") from None
    return WantedArchive(
        site=site, start=_instant("start_timestamp_s", start), end=_instant("end_timestamp_s", end), size=chosen
    )


def file_of(frame: FrameDocument, role: str) -> FrameFile | None:
    """Return the file of a role, or the other of its kind."""
    return frame.files.get(role) or frame.files.get(_INSTEAD.get(role, ""))


def stored(frame: FrameDocument, file: FrameFile, *, source: InputSource = InputSource.ARCHIVE) -> StoredFile:
    """Return a file of a frame."""
    return StoredFile(
        key=file.key,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        etag=file.etag,
        basename=frame.basename,
        filter_name=frame.filter_name,
        source=source,
    )


def listed(row: FrameRow, role: str) -> StoredFile:
    """Return a file of a frame in a list."""
    return _of_row(cast("Mapping[str, Any]", row), role)


def _of_row(row: Mapping[str, Any], role: str) -> StoredFile:
    file = row["files"][role]
    return StoredFile(
        key=file["key"],
        sha256=file["sha256"],
        size_bytes=file["size_bytes"],
        etag=file["etag"],
        basename=row["_id"],
        filter_name=row.get("filter_name"),
    )


def without_fits_ending(name: str) -> str:
    """Return the name of a FITS file without what ends it, plain or packed; any other name as it is."""
    return next((name.removesuffix(ending) for ending in FITS_ENDINGS if name.endswith(ending)), name)


def _instant(field: str, given: JsonValue) -> datetime:
    """Return unix seconds, of which a fraction is cut off, as an instant."""
    try:
        return datetime.fromtimestamp(math.trunc(_number(given)), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{field} must be unix seconds, as 1657865312.") from None


def _number(given: JsonValue) -> float:
    """Return what is given as a number, NaN if it is none."""
    if isinstance(given, str):
        return float(given) if _DIGITS.fullmatch(given.strip()) else math.nan
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else math.nan
