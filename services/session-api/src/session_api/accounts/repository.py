"""Accounts and token hashes in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from datalab.documents.document import ASCENDING, Document, Index
from datalab.platform.documents.client import Database, DuplicateKeyError, aggregated
from datalab.platform.documents.collection import Collection
from session_api.accounts.known_tokens import KnownTokens
from session_api.accounts.model import Account, Token
from session_api.accounts.usernames import canonical
from session_api.web.window import Window

_PRESENT: Document = {"deleted_at": None}


class AccountRepository:
    """Collections `users` and `tokens`. A deleted user is not found, unless the method says so."""

    def __init__(self, database: Database) -> None:
        self._known = KnownTokens()
        self._users = Collection(
            database,
            "users",
            Account,
            indexes=[
                Index(
                    fields=(("canonical", ASCENDING),),
                    name="canonical",
                    unique=True,
                    where={"canonical": {"$type": "string"}},
                ),
                Index(fields=(("deleted_at", ASCENDING),), name="deleted", where={"deleted_at": {"$type": "date"}}),
            ],
        )
        self._tokens = Collection(
            database, "tokens", Token, indexes=[Index(fields=(("username", ASCENDING),), name="username")]
        )

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing, and give accounts of earlier versions their canonical names."""
        await self._tokens.ensure_indexes()
        await self._users.ensure_indexes()
        for row in await self._users.rows({"canonical": None}, {"_id": True}):
            try:
                await self._users.update(
                    {"_id": row["_id"], "canonical": None}, {"$set": {"canonical": canonical(row["_id"])}}
                )
            except DuplicateKeyError:  # they were told apart then, and stay so
                continue

    async def find_any_by_token_hash(self, token_hash: str) -> Account | None:
        """Return the account, as it was within the last seconds; a change made by this process is seen at once."""
        known, changes = self._known.find(token_hash), self._known.changes
        if known is not None:
            return known
        # One question instead of two.
        documents = await aggregated(
            self._tokens.driver,
            [
                {"$match": {"_id": token_hash}},
                {"$lookup": {"from": "users", "localField": "username", "foreignField": "_id", "as": "user"}},
                {"$unwind": "$user"},
                {"$replaceWith": "$user"},
            ],
            limit=1,
        )
        if not documents:
            return None
        account = Account.read(documents[0])
        self._known.keep(token_hash, account, changes=changes)
        return account

    async def find_any_recent(self, username: str) -> Account | None:
        """Return an account likewise as it was within the last seconds."""
        name, changes = f"name:{username}", self._known.changes
        known = self._known.find(name)
        if known is not None:
            return known
        account = await self.find_any(username)
        if account is not None:
            self._known.keep(name, account, changes=changes)
        return account

    async def find_any(self, username: str) -> Account | None:
        return await self._users.find_one({"_id": username, **_PRESENT})

    async def find_any_like(self, canonical_name: str) -> Account | None:
        """Return the account whose name looks like this, deleted or not."""
        return await self._users.find_one({"canonical": canonical_name})

    async def page_of_all(self, window: Window) -> tuple[int, list[Account]]:
        """Return how many accounts there are, and the window of them, by name."""
        count = await self._users.count(_PRESENT)
        return count, await self._users.find(_PRESENT, skip=window.offset, limit=window.limit)

    async def insert(self, account: Account) -> bool:
        """Store a new account; return False if its name is taken, or one that looks the same."""
        return await self._users.insert(account)

    async def update(self, username: str, changes: Mapping[str, Any]) -> Account | None:
        """Change fields of an account."""
        if not changes:
            return await self.find_any(username)
        with self._known.forgotten():
            return await self._users.change_and_find({"_id": username, **_PRESENT}, {"$set": dict(changes)})

    async def mark_deleted(self, username: str, *, now: datetime) -> bool:
        """Delete a user, whose tokens are invalid from then on; return whether there was one."""
        changes = {"$set": {"active": False, "deleted_at": now}}
        with self._known.forgotten():
            marked = await self._users.update({"_id": username, **_PRESENT}, changes)
        await self.remove_token_hashes(username)
        return marked

    async def find_any_deleted(self, *, limit: int) -> list[tuple[str, datetime]]:
        """Return the names of deleted users of whom something may be left, and when they were deleted."""
        query = {"deleted_at": {"$type": "date"}}
        rows = await self._users.rows(query, {"deleted_at": True}, sort=[("deleted_at", ASCENDING)], limit=limit)
        return [(row["_id"], row["deleted_at"]) for row in rows]

    async def remove_any_deleted(self, username: str) -> None:
        """Forget a deleted user: somebody else may have the name."""
        await self.remove_token_hashes(username)
        await self._users.delete({"_id": username, "deleted_at": {"$type": "date"}})

    async def add_token_hash(self, username: str, token_hash: str, *, created: datetime) -> None:
        await self._tokens.insert(Token(token_hash=token_hash, username=username, created=created))

    async def remove_token_hashes(self, username: str) -> int:
        with self._known.forgotten():
            return await self._tokens.delete({"username": username})
