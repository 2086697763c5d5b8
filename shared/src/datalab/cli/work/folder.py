"""What appears in a folder, once it is complete."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: How programs call files they are still writing, and what no camera writes.
_TEMPORARY: Final = re.compile(
    r"[.~].*|.*(?:~|\.(?:tmp|temp|part|partial|filepart|crdownload|incomplete|writing|swp|lock))", re.IGNORECASE
)
#: A file that was last written so many times longer ago than it takes to settle was not being written just now.
_LONG_AGO: Final = 10.0


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it looked; a changed one looks otherwise."""

    path: Path
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into a folder found: complete files, the oldest first, whether others change, and unread folders."""

    complete: list[SeenFile]
    changing: bool
    unreadable: dict[Path, str] = field(default_factory=dict)


class WatchedFolder:
    """Finds files that are complete: of the same size and time of change for `settle_s` seconds, or renamed in."""

    def __init__(
        self,
        folder: Path,
        *,
        subfolders: bool,
        settle_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._subfolders = subfolders
        self._settle_s = settle_s
        self._monotonic = monotonic
        self._now = now
        self._since: dict[Path, tuple[SeenFile, float]] = {}

    def look(self) -> Look:
        """Look into the folder. Raises `OSError` when it is not there, or cannot be read."""
        unreadable: dict[Path, str] = {}
        files = list(self._files(self._folder, unreadable))
        at = self._monotonic()
        since = {seen.path: (seen, self._same_since(seen, at)) for seen in files}
        self._since = since
        complete = [seen for seen, begun in since.values() if self._is_complete(seen, at - begun)]
        complete.sort(key=lambda seen: (seen.mtime_ns, seen.path))
        return Look(complete, changing=len(complete) < len(files), unreadable=unreadable)

    def _same_since(self, seen: SeenFile, at: float) -> float:
        before, begun = self._since.get(seen.path, (seen, at))
        return begun if before == seen else at

    def _is_complete(self, seen: SeenFile, same_for_s: float) -> bool:
        age_s = self._now() - seen.mtime_ns / 1e9
        return same_for_s >= self._settle_s or age_s >= _LONG_AGO * self._settle_s

    def _files(self, folder: Path, unreadable: dict[Path, str]) -> Iterator[SeenFile]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _TEMPORARY.fullmatch(entry.name):
                    continue
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    if self._subfolders:
                        yield from self._files_below(path, unreadable)
                    continue
                try:
                    found = entry.stat()
                except OSError:
                    continue  # gone already, or a link that leads nowhere
                if stat.S_ISREG(found.st_mode):
                    yield SeenFile(path, found.st_size, found.st_mtime_ns)

    def _files_below(self, folder: Path, unreadable: dict[Path, str]) -> Iterator[SeenFile]:
        try:
            yield from self._files(folder, unreadable)
        except FileNotFoundError:
            return
        except OSError as error:
            unreadable[folder] = error.strerror or str(error)
