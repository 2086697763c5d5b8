"""Puts accounts together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import SecretStr

from datalab.platform.assembly import Capability, Part
from datalab.platform.documents.core import DocumentCore
from session_api.accounts import audit_http, browser_http, http, portal_http, profile_http
from session_api.accounts.audit import AuditRepository, AuditService
from session_api.accounts.authentication import Authenticator
from session_api.accounts.login import LoginService
from session_api.accounts.login_codes import LoginCodeRepository
from session_api.accounts.login_tries import LoginTriesRepository
from session_api.accounts.passwords import PasswordHashes
from session_api.accounts.portal import ObservationPortal
from session_api.accounts.portal_users import PortalUsers
from session_api.accounts.repository import AccountRepository
from session_api.accounts.service import UserService
from session_api.accounts.settings import AccountSettings
from session_api.accounts.signing_keys import SigningKeys
from session_api.accounts.web_tokens import WebTokens


def build(
    core: DocumentCore, *, settings: AccountSettings, timeout_s: float
) -> tuple[Capability, Authenticator, AccountRepository, AuditService]:
    """Return the capability, what tells the user behind a token, the accounts, and what keeps who changed what."""
    users = AccountRepository(core.documents.database)
    keys, web_tokens = _web_tokens(settings)
    portal = _portal(settings)
    from_portal = PortalUsers(
        users=users,
        portal=portal,
        server_key=_revealed(settings.portal_server_key),
        grants_superuser=settings.portal_grants_superuser,
    )
    authenticator = Authenticator(
        users=users,
        admin_token=_revealed(settings.admin_token),
        timeout_s=timeout_s,
        web_tokens=web_tokens,
        elsewhere=from_portal,
    )
    tries = LoginTriesRepository(core.documents.database, tries=settings.login_tries, lock_s=settings.login_lock_s)
    codes = LoginCodeRepository(core.documents.database)
    hashes = PasswordHashes()
    login = LoginService(
        users=users,
        authenticator=authenticator,
        tries=tries,
        hashes=hashes,
        codes=codes,
        address_tries_per_minute=settings.login_address_tries_per_minute,
        lifetime=timedelta(days=settings.login_days),
    )
    entries = AuditRepository(core.documents.database)
    audit = AuditService(entries=entries, keep=timedelta(days=settings.audit_keep_days), timeout_s=timeout_s)
    service = UserService(users=users, tokens_are_chosen=settings.chosen_tokens)
    capability = Capability(
        routes=[
            *http.router.routes,
            *browser_http.router.routes,
            *audit_http.router.routes,
            *profile_http.router.routes,
            *profile_http.own.routes,
            *profile_http.photon_ranch.routes,
            *portal_http.router.routes,
        ],
        services=[service, authenticator, login, from_portal, audit],
        resources=[hashes, *keys, *([] if portal is None else [portal])],
        indexes=[users.ensure_indexes, tries.ensure_indexes, codes.ensure_indexes, entries.ensure_indexes],
    )
    return capability, authenticator, users, audit


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _portal(settings: AccountSettings) -> ObservationPortal | None:
    if not settings.portal_url:
        return None
    return ObservationPortal(
        url=settings.portal_url,
        timeout_s=settings.identity_timeout_s,
        keep_s=settings.portal_keep_s,
        keep_unknown_s=settings.portal_keep_unknown_s,
    )


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
