"""A PIPE machine's status."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime

#: All machines are one answer: what each of so many may say, so that it is never too large.
MOST_MACHINES: Final = 500
LARGEST_DETAILS_BYTES: Final = 16 * 1024
LONGEST_STATUS: Final = 256
_RIGHT_ID: Final = re.compile(r"[^/\x00-\x1f\x7f]{1,256}")


class PipeStatus(StoredDocument):
    """What a machine last said of itself. One that says nothing any more is forgotten in its time.

    The details are kept as their JSON: a document store has opinions on names and numbers.
    """

    pipe_id: str = Field(alias="_id")
    status: str
    details: str
    last_updated: UtcDatetime


def is_machine_id(pipe_id: str) -> bool:
    """Tell whether a machine can be called so, and be named in the path of a request."""
    return _RIGHT_ID.fullmatch(pipe_id) is not None and pipe_id not in {".", ".."}
