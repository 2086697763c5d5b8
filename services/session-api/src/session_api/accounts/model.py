"""What is kept about users."""

from __future__ import annotations

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime
from session_api.web.user import User


class Account(StoredDocument):
    """What is kept about a user.

    `ingests` are the sites whose files the user may add, `*` being all. No two accounts have the same `canonical` name.
    A `deleted` one is kept until nothing of its user is left, so that nobody of the same name finds what was theirs.
    """

    username: str = Field(alias="_id")
    canonical: str | None = None
    active: bool
    superuser: bool
    proposals: tuple[str, ...]
    ingests: tuple[str, ...] = ()
    created: UtcDatetime
    deleted_at: UtcDatetime | None = None

    def user(self) -> User:
        """Return the account as a caller."""
        return User(self.username, self.superuser, frozenset(self.proposals), frozenset(self.ingests))


class Token(StoredDocument):
    """A token somebody was given, known by its hash only."""

    token_hash: str = Field(alias="_id")
    username: str
    created: UtcDatetime
