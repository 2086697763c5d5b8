"""Who calls, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.documents.frame import may_read_frame
from datalab.events.envelope import UtcDatetime


@dataclass(frozen=True, slots=True)
class User:
    """Whoever sent a valid token."""

    username: str
    superuser: bool = False
    proposals: frozenset[str] = frozenset()

    @property
    def readable_proposals(self) -> frozenset[str] | None:
        """The proposals whose frames the user may see before they are public; None stands for all."""
        return None if self.superuser else self.proposals

    def may_read(self, *, public_date: datetime | None, proposal_id: str | None, now: datetime) -> bool:
        """Tell whether a frame may be shown to the user."""
        return may_read_frame(self.readable_proposals, public_date=public_date, proposal_id=proposal_id, now=now)


class Account(StoredDocument):
    """What is kept about a user."""

    username: str = Field(alias="_id")
    active: bool
    superuser: bool
    proposals: tuple[str, ...]
    created: UtcDatetime

    def user(self) -> User:
        """Return the account as a caller."""
        return User(self.username, self.superuser, frozenset(self.proposals))


class Token(StoredDocument):
    """A token somebody was given, known by its hash only."""

    token_hash: str = Field(alias="_id")
    username: str
    created: UtcDatetime
