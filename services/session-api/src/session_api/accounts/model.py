"""What is kept about users."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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


class Scope(StrEnum):
    """What a token may be used for, of what its user may do."""

    READ = "read"  # see what is the user's own, or shown to them
    WRITE = "write"  # change what is the user's own, and see it
    INGEST = "ingest"  # add files of sites, speak for observatories
    ADMIN = "admin"  # look after the system


class Purpose(StrEnum):
    """Why there is a token."""

    GIVEN = "given"  # somebody was given it
    LOGIN = "login"  # somebody said their password
    PORTAL = "portal"  # the observation portal has given it, and told us


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

    def user(self, scopes: Collection[Scope] | None = None) -> User:
        """Return the account as a caller whose token has these scopes, None for all."""
        allowed = frozenset(Scope if scopes is None else scopes)
        looks_after, adds = Scope.ADMIN in allowed, Scope.INGEST in allowed
        return User(
            self.username,
            superuser=self.superuser and looks_after,
            proposals=frozenset(self.proposals),
            ingested_sites=frozenset(self.ingests if adds else ()),
            observatories=frozenset(self.speaks_for if adds else ()),
            operator=self.operator and looks_after,
            scopes=None if scopes is None else frozenset(map(str, allowed)),
        )


class Token(StoredDocument):
    """A token somebody was given, known by its hash only. It is good for all its user may if it has no `scopes`."""

    token_hash: str = Field(alias="_id")
    username: str
    created: UtcDatetime
    purpose: Purpose = Purpose.GIVEN
    scopes: tuple[Scope, ...] | None = None
    expires_at: UtcDatetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token gives: an account, used within its scopes; None for all of them."""

    account: Account
    scopes: tuple[Scope, ...] | None = None


class LoginCode(StoredDocument):
    """A code that logs a user in once, known by its hash only."""

    code_hash: str = Field(alias="_id")
    username: str
    expires_at: UtcDatetime


class Password(StoredDocument):
    """What a password is known by: Argon2id, with its salt and parameters (RFC 9106)."""

    username: str = Field(alias="_id")
    hash: str
    changed: UtcDatetime


class LoginTries(StoredDocument):
    """Logins under a name since the last one that succeeded. The name is hashed: people type passwords there."""

    name_hash: str = Field(alias="_id")
    failures: int
    locked_until: UtcDatetime | None = None
    expires_at: UtcDatetime


class AuditEntry(StoredDocument):
    """That somebody asked for a change: what for, when and from where.

    `username` is empty for nobody in particular. `about` is what stands in the path, but for what is secret. How it was
    answered, `status`, is added once and is None until then; nothing else is ever changed.
    """

    request_id: str = Field(alias="_id")
    at: UtcDatetime
    username: str
    address: str
    method: str
    route: str
    about: dict[str, str]
    status: int | None = None
    expires_at: UtcDatetime
