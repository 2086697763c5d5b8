"""Accounts and token hashes in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, Document, Index
from datalab.platform.documents.client import Database, aggregated
from datalab.platform.documents.collection import Collection
from session_api.accounts.model import Account, Token
from session_api.web.window import Window


class AccountRepository:
    """Collections `users` and `tokens`."""

    def __init__(self, database: Database) -> None:
        self._users = Collection(database, "users", Account)
        self._tokens = Collection(
            database, "tokens", Token, indexes=[Index(fields=(("username", ASCENDING),), name="username")]
        )
        self.ensure_indexes = self._tokens.ensure_indexes

    async def find_any_by_token_hash(self, token_hash: str) -> Account | None:
        # One question instead of two: every request begins with it.
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
        return Account.read(documents[0]) if documents else None

    async def find_any(self, username: str) -> Account | None:
        return await self._users.find_one({"_id": username})

    async def page_of_all(self, window: Window) -> tuple[int, list[Account]]:
        """Return how many accounts there are, and the window of them, by name."""
        return await self._users.count({}), await self._users.find({}, skip=window.offset, limit=window.limit)

    async def insert(self, account: Account) -> bool:
        """Store a new account; return False if the name is taken."""
        return await self._users.insert(account)

    async def update(
        self, username: str, *, active: bool | None, superuser: bool | None, proposals: Sequence[str] | None
    ) -> Account | None:
        """Change what is not None."""
        wanted: Document = {
            "active": active,
            "superuser": superuser,
            "proposals": None if proposals is None else list(proposals),
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        if not changes:
            return await self.find_any(username)
        return await self._users.change_and_find({"_id": username}, {"$set": changes})

    async def add_token_hash(self, username: str, token_hash: str, *, created: datetime) -> None:
        await self._tokens.insert(Token(token_hash=token_hash, username=username, created=created))

    async def remove_token_hashes(self, username: str) -> int:
        return await self._tokens.delete({"username": username})
