"""What was sent: kept in a file, so that whoever is killed and started again sends nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

_FIELDS: Final = frozenset({"path", "size_bytes", "mtime_ns", "sha256", "monitor", "verdict", "frame", "reason"})


class JournalError(Exception):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A file, as it looked and what was in it; where its fate is told once it was offered, and the fate once known."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    monitor: str | None = None
    verdict: str | None = None
    frame: str | None = None
    reason: str | None = None


class Journal:
    """One JSON object on a line; of several for a path the last one counts. A context manager, for one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, JournalEntry] = {}
        self._file: IO[str] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Raises `JournalError`."""
        with self._usable():
            self._lock = self._path.with_name(f"{self._path.name}.lock").open("w", encoding="ascii")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._lock.close()
                raise JournalError(f"{self._path} is in use by another `datalab send`") from None
            self._read()
            self._rewrite()
            self._file = self._path.open("a", encoding="ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._file, self._lock):
            if file is not None:
                file.close()

    def find(self, path: str) -> JournalEntry | None:
        return self._entries.get(path)

    def write(self, entry: JournalEntry) -> None:
        """Note how far a file is; it is on the disk when this returns. Raises `JournalError`."""
        assert self._file is not None
        self._entries[entry.path] = entry
        with self._usable():
            self._file.write(_line(entry))
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalError(
                f"{self._path} cannot be written: {error.strerror}; --state names another one"
            ) from error

    def _read(self) -> None:
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            entry = _entry(line)
            if entry is not None:
                self._entries[entry.path] = entry

    def _rewrite(self) -> None:
        """Have one line for each file."""
        draft = self._path.with_name(f"{self._path.name}.new")
        with draft.open("w", encoding="ascii") as file:
            file.writelines(map(_line, self._entries.values()))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def _line(entry: JournalEntry) -> str:
    # ASCII: names that are no UTF-8 come back as they were.
    return json.dumps({name: value for name, value in asdict(entry).items() if value is not None}) + "\n"


def _entry(line: str) -> JournalEntry | None:
    """Return what a line says, None for the end of one that was being written when the power went."""
    try:
        said: dict[str, Any] = json.loads(line)
        return JournalEntry(**{name: value for name, value in said.items() if name in _FIELDS})
    except (ValueError, TypeError, AttributeError):
        return None
