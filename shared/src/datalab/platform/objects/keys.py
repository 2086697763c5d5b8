"""The names of objects."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from datalab.errors import UsageError

MAX_KEY_BYTES = 1024  # S3's own limit


MAX_SEGMENT_BYTES = 255  # one name in a file system, which is what MinIO and rclone store keys in
#: Most keys there are; what is short and plain needs no closer look, which takes longer than signing a link to it.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


def valid_key(key: str) -> str:
    """Return `key` if every S3 server stores it under exactly this name, else raise `UsageError`.

    Refused: an empty key or segment (servers fold `a//b` to `a/b`), `.` and `..`, control characters, and names longer
    than 1024 bytes in all or 255 bytes in one segment.
    """
    if _is_plain(key):
        return key
    try:
        segments = [segment.encode() for segment in key.split("/")]
    except UnicodeEncodeError:
        raise UsageError("an object key must be valid Unicode") from None
    if any(segment.strip() in {b"", b".", b".."} for segment in segments):
        raise UsageError(f"object key {key!r} has an empty, '.' or '..' segment")
    if not key.isprintable() and any(unicodedata.category(character) == "Cc" for character in key):
        raise UsageError(f"object key {key!r} has control characters")
    if len(key.encode()) > MAX_KEY_BYTES or max(map(len, segments)) > MAX_SEGMENT_BYTES:
        raise UsageError(
            f"object key of {len(key.encode())} bytes: at most {MAX_KEY_BYTES}, {MAX_SEGMENT_BYTES} in a segment"
        )
    return key


def quoted_key(key: str) -> str:
    """Return a key as it stands in the path of a signed request. Raises `UsageError` like `valid_key`."""
    return key if _is_plain(key) else quote(valid_key(key), safe="/~")


def _is_plain(key: str) -> bool:
    return len(key) <= MAX_SEGMENT_BYTES and _PLAIN.fullmatch(key) is not None
