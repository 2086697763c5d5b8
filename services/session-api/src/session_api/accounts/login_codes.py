"""Codes that log somebody in once, in MongoDB."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from datalab.documents.document import ASCENDING, Index
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.accounts.authentication import token_hash
from session_api.accounts.model import LoginCode

#: Somebody reads a link in a terminal, and opens it.
LIFETIME: Final = timedelta(minutes=15)
_BYTES: Final = 24


class LoginCodeRepository:
    """Collection `login_codes`: what a code is known by is removed when it is used, so that it is good once."""

    def __init__(self, database: Database) -> None:
        self._codes = Collection(
            database,
            "login_codes",
            LoginCode,
            indexes=[Index(fields=(("expires_at", ASCENDING),), name="expires", expires_after_s=0)],
        )
        self.ensure_indexes = self._codes.ensure_indexes

    async def new(self, username: str, *, now: datetime) -> str:
        """Return a new code for a user."""
        code = secrets.token_urlsafe(_BYTES)
        await self._codes.insert(LoginCode(code_hash=token_hash(code), username=username, expires_at=now + LIFETIME))
        return code

    async def take(self, code: str, *, now: datetime) -> str | None:
        """Return whose code it is, which it is no more; None for one that is unknown, used or too old."""
        query = {"_id": token_hash(code), "expires_at": {"$gt": now}}
        known = await self._codes.find_one(query)
        if known is None or not await self._codes.delete(query):  # of two who come at once, one deletes it
            return None
        return known.username
