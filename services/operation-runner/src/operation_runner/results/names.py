"""What the products of an operation are called: names that people can tell apart, in alerts and download folders."""

from __future__ import annotations

import re
from datetime import datetime

#: What any file system, address and header takes. A hyphen stands between the parts of a name.
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9.+]+")
_LONGEST_PART = 40
#: Digits of the result key: enough that no two results of one user are ever called the same.
_KEY_DIGITS = 10


def product_name(
    *,
    operation: str,
    result_key: str,
    target_name: str | None,
    filter_name: str | None,
    observation_date: datetime | None,
) -> str:
    """Return a name such as "Median-M_31-rp-20260314-1f0a9c3b7d"; what is not known is left out."""
    said = [
        _part(operation),
        _part(target_name or ""),
        _part(filter_name or ""),
        "" if observation_date is None else f"{observation_date:%Y%m%d}",
        result_key[:_KEY_DIGITS],
    ]
    return "-".join(part for part in said if part)


def _part(text: str) -> str:
    return _OTHER_CHARACTERS.sub("_", text)[:_LONGEST_PART].strip("_.")
