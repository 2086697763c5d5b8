"""Frames of the archive, as far as operations need them. Ingest owns them; here they are only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

#: The file of a frame that operations compute with: the first of these it has. `fits` is the one file of frames in
#: the naming of LCO; the others are Photon Ranch's, where 01 is reduced and large, 00 raw and large, 10 and 13 small.
SCIENCE_ROLES = ("fits", "fits_01", "fits_00", "fits_10", "fits_13")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFile:
    """One stored file of a frame."""

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One exposure known to the archive; `files` by role."""

    basename: str
    files: Mapping[str, FrameFile]
    filter_name: str | None
    public_date: datetime | None
    proposal_id: str | None

    def science_file(self) -> FrameFile | None:
        """Return the file to compute with, or None while only others have arrived."""
        return next((self.files[role] for role in SCIENCE_ROLES if role in self.files), None)
