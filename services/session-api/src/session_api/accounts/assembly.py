"""Puts accounts together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.accounts import http, profile_http
from session_api.accounts.authentication import Authenticator
from session_api.accounts.repository import AccountRepository
from session_api.accounts.service import UserService
from session_api.accounts.settings import AccountSettings


def build(
    core: DocumentCore, *, settings: AccountSettings, timeout_s: float
) -> tuple[Capability, Authenticator, AccountRepository]:
    """Return the capability, what tells the user behind a token, and the accounts."""
    users = AccountRepository(core.documents.database)
    token = settings.admin_token
    authenticator = Authenticator(
        users=users, admin_token=None if token is None else token.get_secret_value(), timeout_s=timeout_s
    )
    capability = Capability(
        routes=[*http.router.routes, *profile_http.router.routes],
        services=[UserService(users=users), authenticator],
        indexes=[users.ensure_indexes],
    )
    return capability, authenticator, users
