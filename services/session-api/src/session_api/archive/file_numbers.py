"""Files of a frame have numbers of their own: so many to a frame, pictures in the upper half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from datalab.documents.frame import SCIENCE_ROLES, FrameDocument, FrameFile

FIRST_THUMBNAIL: Final = 50
_NUMBERS_PER_FRAME: Final = 100
FileT = TypeVar("FileT")


def file_number(frame: FrameDocument, place: int) -> int:
    """Return the number of a file by its place among those of its kind."""
    return number_of(frame.frame_id, place)


def number_of(frame_id: int, place: int) -> int:
    """Return the number of a file of the frame with this number, likewise."""
    return frame_id * _NUMBERS_PER_FRAME + place


def frame_of(number: int) -> tuple[int, int]:
    """Return the number of the frame a file is of, and its place there."""
    return divmod(number, _NUMBERS_PER_FRAME)


def science_files(frame: FrameDocument) -> list[FrameFile]:
    """Return the files to compute with, the one to use first."""
    return [frame.files[role] for role in SCIENCE_ROLES if role in frame.files]


def versions(frame: FrameDocument) -> list[tuple[int, FrameFile]]:
    """Return the files to compute with, each with its place: see `placed`."""
    return placed(frame.files, frame.former)


def placed(files: Mapping[str, FileT], former: Sequence[FileT]) -> list[tuple[int, FileT]]:
    """Return those of a frame's files to compute with, each with its place.

    The one to use first comes first, at the end the former, newest first. A file keeps its place when another replaces
    it: the oldest is 0.
    """
    science = [files[role] for role in SCIENCE_ROLES if role in files]
    before = list(enumerate(former))
    return [*enumerate(science, start=len(before)), *reversed(before)]
