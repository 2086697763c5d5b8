"""Files that were read, and are to become part of their frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from datalab.documents.file_names import FileName
from datalab.documents.frame import FrameDocument, FrameFile
from datalab.documents.upload import Outcome
from datalab.errors import TransientError, UsageError
from ingest.frames.model import FrameHeader


@dataclass(slots=True, kw_only=True, eq=False)
class Addition:
    """A file, what is inside, and what became of it once that is known.

    `seen` is the frame as it was, asked for at `asked_at` (by `monotonic`) and before the file was read. Unless
    `makes_frame`, there has to be one. A frame that it makes is kept for as long as `life`.
    """

    name: FileName
    site: str
    file: FrameFile
    header: FrameHeader | None
    correlation_id: str
    seen: FrameDocument | None
    asked_at: float
    open_site: bool = False
    makes_frame: bool = True
    life: timedelta | None = None
    outcome: Outcome | UsageError | TransientError | None = None
