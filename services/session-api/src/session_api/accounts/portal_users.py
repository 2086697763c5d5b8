"""Users of the observation portal: whoever it says has a token, and whoever it tells us of."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from datalab.events.envelope import utc_now
from datalab.platform.logging import get_logger
from session_api.accounts.authentication import token_hash
from session_api.accounts.model import Account, Origin, Purpose, Token
from session_api.accounts.portal import ObservationPortal, PortalProfile
from session_api.accounts.repository import AccountRepository
from session_api.accounts.usernames import canonical, check_username
from session_api.web.failures import AuthenticationError, ConflictError, FieldError, RefusedError

_log = get_logger(__name__)

#: What may be a token of the portal: 40 hexadecimal digits today.
_TOKEN: Final = re.compile(r"[!-~]{16,200}")


class PortalUsers:
    """Keeps an account for each of them, under their name there: unless somebody here has it, who keeps it."""

    def __init__(
        self,
        *,
        users: AccountRepository,
        portal: ObservationPortal | None,
        server_key: str | None,
        grants_superuser: bool,
    ) -> None:
        """`server_key` is the secret the portal shows when it tells us of somebody."""
        self._users = users
        self._portal = portal
        self._server_key = server_key
        self._grants_superuser = grants_superuser

    async def account_of(self, token: str) -> Account | None:
        """Return the account of whom the portal has given a token, None if that is nobody it knows.

        Raises `TransientError` if it does not tell, `AuthenticationError` for whose name is somebody's here.
        """
        if self._portal is None or not _TOKEN.fullmatch(token):
            return None
        profile = await self._portal.profile_of(token, token_hash=token_hash(token))
        if profile is None:
            return None
        try:
            return await self._keep(profile, {"proposals": list(profile.proposal_ids)})
        except (ConflictError, FieldError) as error:
            raise AuthenticationError(error.message) from error

    def check_key(self, authorization: str | None) -> None:
        """Raise `RefusedError` unless an `Authorization` header is the portal's own: `Server <key>`."""
        scheme, _, key = (authorization or "").strip().partition(" ")
        known = (self._server_key or "").encode()
        if not known or scheme != "Server" or not hmac.compare_digest(key.strip().encode(), known):
            raise RefusedError("Invalid or missing API Key.")

    async def told(self, profile: PortalProfile, *, has_proposals: bool, token: str | None) -> None:
        """Keep what the portal tells of a user, and the token it has given them, in the place of the former one.

        Raises `ConflictError` if somebody here has the name, or the token; `FieldError` for what is no name.
        """
        changes = {"proposals": list(profile.proposal_ids)} if has_proposals else {}
        account = await self._keep(profile, changes)
        if token is None:
            return
        if not _TOKEN.fullmatch(token):
            raise FieldError({"tokens": ["A token has 16 to 200 characters."]})
        digest = token_hash(token)
        kept = Token(token_hash=digest, username=account.username, created=utc_now(), purpose=Purpose.PORTAL)
        if not await self._users.add_token(kept):
            holder = await self._users.find_any_by_token_hash(digest, now=utc_now())
            if holder is not None and holder.account.username != account.username:
                raise ConflictError("Somebody else has this token.")
        # The new one first: killed in between, both are valid.
        await self._users.remove_token_hashes(account.username, Purpose.PORTAL, but=digest)

    async def _keep(self, profile: PortalProfile, changes: Mapping[str, Any]) -> Account:
        """Return the account of a user, with changes."""
        name = profile.username
        wanted = {**changes, "superuser": self._grants_superuser and profile.is_superuser}
        known = await self._users.find_any_recent(name)
        if known is None:
            check_username(name)
            fields: dict[str, Any] = {"proposals": (), **wanted}
            made = Account(
                **fields,
                username=name,
                canonical=canonical(name),
                active=True,
                origin=Origin.PORTAL,
                created=utc_now(),
            )
            if await self._users.insert(made):
                _log.info("accounts.portal_user_added", user=name)
                return made
            known = await self._users.find_any(name)
        if known is None or known.origin is not Origin.PORTAL:
            raise ConflictError(f"The observation portal's user {name} has the name of a user of this system.")
        # What is stored is read as tuples.
        stored = Account.model_validate({**known.stored(), **wanted})
        return known if stored == known else await self._users.update(name, wanted) or known
