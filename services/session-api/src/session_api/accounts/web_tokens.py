"""JSON Web Tokens of an issuer, as Auth0 signs them for the user interface of Photon Ranch.

Only what the issuer's published keys have signed with RS256 counts, for us, and now. Nothing in a token is believed
before: not which algorithm it is, nor where its key might be had.

References:
    RFC 7519 (JSON Web Token); RFC 8725 (its best current practices), of which each attack in section 2 is a test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from session_api.accounts.roles import NO_RIGHTS, Rights, rights_of
from session_api.accounts.signing_keys import ALGORITHM, SigningKeys
from session_api.web.failures import AuthenticationError

#: Several times what Auth0's have with many roles; what is longer is not even looked at.
_LONGEST: Final = 16 * 1024
#: They tell the reader to fetch or to believe a key of the sender's, or to understand what it may not know.
_REFUSED_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"})
#: What issuers call people: `auth0|5f…`, `google-oauth2|1234`, `samlp|lab|ada@example.org`.
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_.@+|:=-]{1,150}")
#: In front of it, so that nobody of an issuer has the name of somebody here: no name of a user has a `|`.
_PREFIX: Final = "jwt|"
_UNREADABLE: Final = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class SignedIdentity:
    """Whom a token was signed for, and what the issuer says they may."""

    username: str
    rights: Rights


class WebTokens:
    """Reads tokens of one issuer for one audience."""

    def __init__(
        self,
        *,
        keys: SigningKeys,
        issuer: str,
        audience: str,
        leeway_s: float,
        roles_claim: str,
        role_names: Mapping[str, str],
    ) -> None:
        """`role_names` are ours, by the issuer's."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._roles_claim = roles_claim
        self._role_names = role_names

    async def read(self, token: str) -> SignedIdentity:
        """Return whom a token was signed for.

        Raises:
            AuthenticationError: it is not one that counts here and now. The text does not say why: whoever forges
                one would learn from it.
            TransientError: the issuer's keys cannot be read.
        """
        key = await self._keys.find(_key_id(token))
        if key is None:
            raise _invalid()
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except _UNREADABLE:
            raise _invalid() from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise _invalid()
        return SignedIdentity(_PREFIX + subject, self._rights(claims.get(self._roles_claim)))

    def _rights(self, said: Any) -> Rights:
        """Return what the claim of roles gives: a list of them, or an object that has one as `roles`."""
        roles = said.get("roles") if isinstance(said, dict) else said
        if not isinstance(roles, list):
            return NO_RIGHTS
        return rights_of([role for role in roles if isinstance(role, str)], names=self._role_names)


def _key_id(token: str) -> str:
    """Return the id of the key a token says it is signed with. Raises `AuthenticationError`."""
    if len(token) > _LONGEST:
        raise _invalid()
    try:
        header = jwt.get_unverified_header(token)
    except _UNREADABLE:
        raise _invalid() from None
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(key_id, str) or not _REFUSED_HEADERS.isdisjoint(header):
        raise _invalid()
    return key_id


def _invalid() -> AuthenticationError:
    return AuthenticationError("Invalid token.")
