"""What is kept about users."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime
from session_api.web.user import User


class Origin(StrEnum):
    """Who says what a user may."""

    HERE = "here"  # whoever looks after this system
    PORTAL = "portal"  # the observation portal, each time it is asked or tells
    ISSUER = "issuer"  # whoever signs JSON Web Tokens, in each of them


class Account(StoredDocument):
    """What is kept about a user.

    `ingests` are the sites whose files the user may add, `*` being all; `observatories` those the user speaks for, None
    for the same ones: earlier versions made no difference. No two accounts have the same `canonical` name.
    A `deleted` one is kept until nothing of its user is left, so that nobody of the same name finds what was theirs.
    """

    username: str = Field(alias="_id")
    canonical: str | None = None
    active: bool
    superuser: bool
    proposals: tuple[str, ...]
    ingests: tuple[str, ...] = ()
    observatories: tuple[str, ...] | None = None
    operator: bool = False
    origin: Origin = Origin.HERE
    created: UtcDatetime
    deleted_at: UtcDatetime | None = None

    @property
    def speaks_for(self) -> tuple[str, ...]:
        """The sites the user speaks for."""
        return self.ingests if self.observatories is None else self.observatories

    def user(self) -> User:
        """Return the account as a caller."""
        return User(
            self.username,
            superuser=self.superuser,
            proposals=frozenset(self.proposals),
            ingested_sites=frozenset(self.ingests),
            observatories=frozenset(self.speaks_for),
            operator=self.operator,
        )


class Token(StoredDocument):
    """A token somebody was given, known by its hash only."""

    token_hash: str = Field(alias="_id")
    username: str
    created: UtcDatetime
