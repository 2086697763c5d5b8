"""The frames of a light curve, as clients know them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from datalab.astro.headers.description import FrameDescription

#: A telescope's code, such as 0m4a; anything else in a header is no folder's name.
_TELESCOPE = re.compile(r"[A-Za-z0-9_-]{1,32}")


def shown_filter(names: Iterable[str | None]) -> str:
    """Return the first name there is, or what clients show as the filter if no header names one."""
    return next((name for name in names if name), "None")


def shown_path(basename: str, description: FrameDescription) -> str:
    """Return a frame's name with its telescope before it, as in "0m4a/<basename>", if the header names one.

    Clients read the class of the telescope from there, and give each its colour.
    """
    telescope = description.telescope_id or ""
    return f"{telescope}/{basename}" if _TELESCOPE.fullmatch(telescope) else basename
