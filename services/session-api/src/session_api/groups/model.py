"""A group of users."""

from __future__ import annotations

import unicodedata
from typing import Final

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime

MAX_NAME_CHARACTERS: Final = 100
#: A lecture has some hundred students.
MAX_MEMBERS: Final = 500
#: Groups one user owns.
MAX_GROUPS: Final = 100


class Group(StoredDocument):
    """`members` are usernames, the owner's among them. No two groups of an owner have the same `canonical` name."""

    id: int = Field(alias="_id")
    name: str
    canonical: str
    owner: str
    members: tuple[str, ...]
    created: UtcDatetime


def canonical(name: str) -> str:
    """Return what names that are the same to people have in common."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
