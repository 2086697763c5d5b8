"""Users as administrators see them."""

from __future__ import annotations

from typing_extensions import TypedDict

from session_api.accounts.model import Account
from session_api.web.replies import shown_datetime


class UserView(TypedDict):
    """A user."""

    username: str
    active: bool
    superuser: bool
    operator: bool
    proposals: list[str]
    ingests: list[str]
    observatories: list[str]
    origin: str
    created: str


class TokenView(TypedDict):
    """A new token, shown this once."""

    username: str
    token: str


class LoginCodeView(TypedDict):
    """A code that logs its user in once: `/#code=<code>` of this server, opened in a browser."""

    username: str
    code: str
    lifetime_s: float


def user_view(account: Account) -> UserView:
    """Return what an administrator sees of a user."""
    return UserView(
        username=account.username,
        active=account.active,
        superuser=account.superuser,
        operator=account.operator,
        proposals=list(account.proposals),
        ingests=list(account.ingests),
        observatories=list(account.speaks_for),
        origin=account.origin,
        created=shown_datetime(account.created),
    )
