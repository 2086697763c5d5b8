"""Puts accounts together."""

from __future__ import annotations

from dataclasses import dataclass

from datalab.platform.assembly import Capability, DocumentCore
from session_api.accounts import http
from session_api.accounts.authentication import Authenticator
from session_api.accounts.repository import MongoUserRepository
from session_api.accounts.service import UserService
from session_api.accounts.settings import AccountSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The capability, and who tells the user behind a token."""

    capability: Capability
    authenticator: Authenticator


def build(core: DocumentCore, *, settings: AccountSettings) -> Accounts:
    users = MongoUserRepository(core.documents.database)
    token = settings.admin_token
    return Accounts(
        capability=Capability(
            routes=http.router.routes, services=[UserService(users=users)], indexes=[users.ensure_indexes]
        ),
        authenticator=Authenticator(users=users, admin_token=None if token is None else token.get_secret_value()),
    )
