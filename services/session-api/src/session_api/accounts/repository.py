"""Accounts and token hashes in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.platform.documents.client import Database, DuplicateKeyError, aggregated
from datalab.platform.documents.collection import Collection
from session_api.accounts.known_tokens import KnownTokens
from session_api.accounts.model import Account, Grant, Password, Purpose, Token
from session_api.accounts.usernames import canonical
from session_api.web.window import Window

_PRESENT: Document = {"deleted_at": None}


class AccountRepository:
    """Collections `users`, `tokens` and `passwords`. A deleted user is not found, unless the method says so."""

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
            database,
            "tokens",
            Token,
            indexes=[
                Index(fields=(("username", ASCENDING),), name="username"),
                Index(fields=(("expires_at", ASCENDING),), name="expires", expires_after_s=0),
            ],
        )
        self._passwords = Collection(database, "passwords", Password)

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

    async def find_any_by_token_hash(self, token_hash: str, *, now: datetime) -> Grant | None:
        """Return what a token gives, as it did within the last seconds; a change by this process is seen at once."""
        known, changes = self._known.find(token_hash), self._known.changes
        if known is not None:
            return known
        # One question instead of two.
        documents = await aggregated(
            self._tokens.driver,
            [
                {"$match": {"_id": token_hash, "$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}]}},
                {"$lookup": {"from": "users", "localField": "username", "foreignField": "_id", "as": "user"}},
                {"$unwind": "$user"},
            ],
            limit=1,
        )
        if not documents:
            return None
        grant = Grant(Account.read(documents[0]["user"]), Token.read(documents[0]).scopes)
        self._known.keep(token_hash, grant, changes=changes)
        return grant

    async def find_any_recent(self, username: str) -> Account | None:
        """Return an account likewise as it was within the last seconds."""
        name, changes = f"name:{username}", self._known.changes
        known = self._known.find(name)
        if known is not None:
            return known.account
        account = await self.find_any(username)
        if account is not None:
            self._known.keep(name, Grant(account), changes=changes)
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
        await self._remove_credentials(username)
        return marked

    async def find_any_deleted(self, *, limit: int) -> list[tuple[str, datetime]]:
        """Return the names of deleted users of whom something may be left, and when they were deleted."""
        query = {"deleted_at": {"$type": "date"}}
        rows = await self._users.rows(query, {"deleted_at": True}, sort=[("deleted_at", ASCENDING)], limit=limit)
        return [(row["_id"], row["deleted_at"]) for row in rows]

    async def remove_any_deleted(self, username: str) -> None:
        """Forget a deleted user: somebody else may have the name."""
        await self._remove_credentials(username)
        await self._users.delete({"_id": username, "deleted_at": {"$type": "date"}})

    async def add_token(self, token: Token) -> bool:
        """Store a new token; return False if there is one of this hash."""
        return await self._tokens.insert(token)

    async def remove_token_hashes(self, username: str, *purposes: Purpose, but: str | None = None) -> int:
        """Make a user's tokens invalid, or those of some purposes; return how many. One may be left."""
        query: Document = {"username": username, "_id": {"$ne": but}}
        if purposes:
            query["purpose"] = {"$in": list(purposes)}
        with self._known.forgotten():
            return await self._tokens.delete(query)

    async def trim_logins(self, username: str, *, most: int) -> None:
        """Make the oldest tokens invalid that a user has by logging in, if there are more of them."""
        older = await self._tokens.rows(
            {"username": username, "purpose": Purpose.LOGIN}, {"_id": True}, sort=[("created", DESCENDING)], skip=most
        )
        if older:
            with self._known.forgotten():
                await self._tokens.delete({"_id": {"$in": [row["_id"] for row in older]}})

    async def password_of(self, username: str) -> Password | None:
        return await self._passwords.find_one({"_id": username})

    async def keep_password(self, password: Password) -> None:
        """Keep it in the place of the former one."""
        await self._passwords.upsert(password)

    async def renew_password(self, former: Password, renewed: Password) -> bool:
        """Keep it in the place of this former one; return False if that is another one by now."""
        query = {"_id": former.username, "hash": former.hash}
        return await self._passwords.update(query, {"$set": renewed.model_dump(include={"hash"})})

    async def remove_token_hash(self, token_hash: str) -> None:
        """Make one token invalid."""
        with self._known.forgotten():
            await self._tokens.delete({"_id": token_hash})

    async def remove_login(self, token_hash: str) -> None:
        """Make one token invalid, if somebody has it by logging in."""
        with self._known.forgotten():
            await self._tokens.delete({"_id": token_hash, "purpose": Purpose.LOGIN})

    async def _remove_credentials(self, username: str) -> None:
        await self._passwords.delete({"_id": username})
        await self.remove_token_hashes(username)
