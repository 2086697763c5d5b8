"""How often somebody tried to log in under a name, in MongoDB: every process counts the same tries."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from typing import Any, Final

from datalab.documents.document import ASCENDING, Document, Index
from datalab.platform.documents.client import Database, DuplicateKeyError, mongo_errors
from datalab.platform.documents.collection import Collection
from session_api.accounts.model import LoginTries

#: What was tried longer ago is forgotten.
_REMEMBERED: Final = timedelta(days=1)
_LONGEST_LOCK_S: Final = 3600.0
#: Of first tries at the same moment, one makes the document, and the others find it.
_RACES: Final = 5


class LoginTriesRepository:
    """Collection `login_tries`: a try is counted before it is looked at, so that many at once are no way around.

    After so many tries a name is locked, twice as long each time. Names nobody has are counted likewise.
    """

    def __init__(self, database: Database, *, tries: int, lock_s: float) -> None:
        self._tries = tries
        self._lock_s = lock_s
        self._names = Collection(
            database,
            "login_tries",
            LoginTries,
            indexes=[Index(fields=(("expires_at", ASCENDING),), name="expires", expires_after_s=0)],
        )
        self.ensure_indexes = self._names.ensure_indexes

    async def begin(self, username: str, *, now: datetime) -> int:
        """Count a try; return for how many seconds the name is locked, 0 for one that may be tried."""
        name = _hashed(username)
        open_now: Document = {"_id": name, "$or": [{"locked_until": None}, {"locked_until": {"$lte": now}}]}
        for _ in range(_RACES):
            try:
                with mongo_errors():
                    await self._names.driver.update_one(open_now, self._one_more(now), upsert=True)
            except DuplicateKeyError:
                known = await self._names.find_one({"_id": name})
                if known is not None and known.locked_until is not None and known.locked_until > now:
                    return math.ceil((known.locked_until - now).total_seconds())
            else:
                return 0
        return 1

    async def forget(self, username: str) -> None:
        """Forget the tries under a name: its owner was there."""
        await self._names.delete({"_id": _hashed(username)})

    def _one_more(self, now: datetime) -> list[Document]:
        beyond: Any = {"$min": [20, {"$subtract": ["$failures", self._tries]}]}
        lock_s: Any = {"$min": [_LONGEST_LOCK_S, {"$multiply": [self._lock_s, {"$pow": [2, beyond]}]}]}
        until: Any = {"$add": [now, {"$toLong": {"$multiply": [1000, lock_s]}}]}
        return [
            {"$set": {"failures": {"$add": [{"$ifNull": ["$failures", 0]}, 1]}, "expires_at": now + _REMEMBERED}},
            {"$set": {"locked_until": {"$cond": [{"$gte": ["$failures", self._tries]}, until, None]}}},
        ]


def _hashed(username: str) -> str:
    return hashlib.sha256(username.encode()).hexdigest()
