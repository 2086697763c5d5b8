"""Whether a file that was stored is a frame's already, so that nobody may remove it."""

from __future__ import annotations

from session_api.archive.repository import FrameReader
from session_api.uploads.ingesters.model import IngesterFile


async def is_of_a_frame(file: IngesterFile, frames: FrameReader) -> bool:
    """Tell whether this very object is part of the frame it was told of for, or of any that has its content.

    Ingest may have made it so when whoever had asked was gone. Raises `TransientError`.
    """
    may_have_it = await frames.find_any_by_md5(file.md5) if file.md5 else []
    if file.frame is not None and (told := await frames.find_any(file.frame)) is not None:
        may_have_it.append(told)
    return any(file.is_part_of(frame) for frame in may_have_it)
