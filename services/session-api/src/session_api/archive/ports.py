"""What operations need from the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from session_api.archive.model import Frame


class FrameRepository(Protocol):
    """The archive's frames, whoever may see them: callers check."""

    async def find_any_by_basename(self, basenames: Sequence[str]) -> dict[str, Frame]: ...
