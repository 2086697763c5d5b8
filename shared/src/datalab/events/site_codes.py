"""What observatories are called on the bus: one token of a subject."""

from __future__ import annotations

from typing import Final

PATTERN: Final = r"[A-Za-z0-9_-]{1,64}"
#: The same in words, for who has written another one.
RIGHT: Final = "1 to 64 letters, digits, _ and -"
