"""Accounts and token hashes in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.platform.documents.client import (
    ASCENDING,
    Database,
    Document,
    DuplicateKeyError,
    IndexModel,
    ReturnDocument,
    mongo_errors,
)
from session_api.accounts.model import Account
from session_api.web.window import Window


class MongoUserRepository:
    """Collections `users` and `tokens`."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]
        self._tokens = database["tokens"]

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with mongo_errors():
            await self._tokens.create_indexes([IndexModel([("username", ASCENDING)], name="username")])

    async def find_any_by_token_hash(self, token_hash: str) -> Account | None:
        # One question instead of two: every request begins with it.
        with mongo_errors():
            documents = await self._tokens.aggregate(
                [
                    {"$match": {"_id": token_hash}},
                    {"$lookup": {"from": "users", "localField": "username", "foreignField": "_id", "as": "user"}},
                    {"$unwind": "$user"},
                    {"$replaceWith": "$user"},
                ]
            ).to_list(1)
        return _account(documents[0]) if documents else None

    async def find_any(self, username: str) -> Account | None:
        with mongo_errors():
            document = await self._users.find_one({"_id": username})
        return None if document is None else _account(document)

    async def page_of_all(self, window: Window) -> tuple[int, list[Account]]:
        with mongo_errors():
            count = await self._users.count_documents({})
            documents = (
                await self._users.find().sort("_id", ASCENDING).skip(window.offset).limit(window.limit).to_list(None)
            )
        return count, [_account(document) for document in documents]

    async def insert(self, account: Account) -> bool:
        with mongo_errors():
            try:
                await self._users.insert_one(
                    {
                        "_id": account.username,
                        "active": account.active,
                        "superuser": account.superuser,
                        "proposals": list(account.proposals),
                        "created": account.created,
                    }
                )
            except DuplicateKeyError:
                return False
        return True

    async def update(
        self, username: str, *, active: bool | None, superuser: bool | None, proposals: Sequence[str] | None
    ) -> Account | None:
        wanted: Document = {
            "active": active,
            "superuser": superuser,
            "proposals": None if proposals is None else list(proposals),
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        if not changes:
            return await self.find_any(username)
        with mongo_errors():
            document = await self._users.find_one_and_update(
                {"_id": username}, {"$set": changes}, return_document=ReturnDocument.AFTER
            )
        return None if document is None else _account(document)

    async def add_token_hash(self, username: str, token_hash: str, *, created: datetime) -> None:
        with mongo_errors():
            await self._tokens.insert_one({"_id": token_hash, "username": username, "created": created})

    async def remove_token_hashes(self, username: str) -> int:
        with mongo_errors():
            result = await self._tokens.delete_many({"username": username})
        return result.deleted_count


def _account(document: Document) -> Account:
    return Account(
        username=document["_id"],
        active=document["active"],
        superuser=document["superuser"],
        proposals=tuple(document["proposals"]),
        created=document["created"],
    )
