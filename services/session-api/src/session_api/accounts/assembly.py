"""Puts accounts together."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.platform.assembly import Capability, Part
from datalab.platform.documents.core import DocumentCore
from session_api.accounts import http, profile_http
from session_api.accounts.authentication import Authenticator
from session_api.accounts.repository import AccountRepository
from session_api.accounts.service import UserService
from session_api.accounts.settings import AccountSettings
from session_api.accounts.signing_keys import SigningKeys
from session_api.accounts.web_tokens import WebTokens


def build(
    core: DocumentCore, *, settings: AccountSettings, timeout_s: float
) -> tuple[Capability, Authenticator, AccountRepository]:
    """Return the capability, what tells the user behind a token, and the accounts."""
    users = AccountRepository(core.documents.database)
    token = settings.admin_token
    keys, web_tokens = _web_tokens(settings)
    authenticator = Authenticator(
        users=users,
        admin_token=None if token is None else token.get_secret_value(),
        timeout_s=timeout_s,
        web_tokens=web_tokens,
    )
    capability = Capability(
        routes=[*http.router.routes, *profile_http.router.routes, *profile_http.photon_ranch.routes],
        services=[UserService(users=users), authenticator],
        resources=keys,
        indexes=[users.ensure_indexes],
    )
    return capability, authenticator, users


def _web_tokens(settings: AccountSettings) -> tuple[Sequence[Part], WebTokens | None]:
    if not settings.jwt_issuer:
        return [], None
    keys = SigningKeys(
        url=settings.signing_keys_url,
        timeout_s=settings.identity_timeout_s,
        refresh_s=settings.jwt_keys_refresh_s,
        retry_s=settings.jwt_keys_retry_s,
    )
    web_tokens = WebTokens(
        keys=keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway_s=settings.jwt_leeway_s,
        roles_claim=settings.jwt_roles_claim,
        role_names=settings.jwt_role_names,
    )
    return [keys], web_tokens
