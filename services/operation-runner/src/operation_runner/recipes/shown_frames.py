"""The frames of a light curve, as clients know them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from datalab.astro.headers.description import FrameDescription
from operation_runner.sdk import UsageError

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


def filters_alike(filters: Sequence[tuple[str, str | None]], operation: str) -> list[str]:
    """Return a remark on files whose filter is not known, given names and filters.

    Raises:
        UsageError: there are several filters: their magnitudes cannot be compared.
    """
    names = sorted({name for _, name in filters if name})
    if len(names) > 1:
        raise UsageError(
            f"Operation {operation} requires images of one filter, but the images are of {', '.join(names)}: "
            "magnitudes of different filters cannot be compared."
        )
    unknown = [basename for basename, name in filters if not name]
    if unknown and names:
        return [f"The filter of {', '.join(unknown)} is not known; {names[0]} was assumed."]
    return []


def skipped(basename: str, error: Exception) -> str:
    """Return the remark on a frame that cannot be used."""
    return f"Skipped {basename}: {str(error).rstrip('.')}."
