"""The document store. Motor is imported here and nowhere else, so that its successor is one change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import AutoReconnect, ConnectionFailure, DuplicateKeyError, PyMongoError, WTimeoutError

from datalab.errors import TransientError
from datalab.platform.settings import MongoSettings

__all__ = [
    "ASCENDING",
    "DESCENDING",
    "Collection",
    "Database",
    "Document",
    "DuplicateKeyError",
    "IndexModel",
    "MongoStore",
    "ReturnDocument",
    "UpdateOne",
    "mongo_errors",
    "next_number",
]

Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]
Collection = AsyncIOMotorCollection[Document]


class MongoStore:
    """One process's connection to the document store."""

    def __init__(self, settings: MongoSettings) -> None:
        timeout_ms = int(settings.mongo_timeout_s * 1000)
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            settings.mongo_url.get_secret_value(),
            tz_aware=True,
            # Whatever the URL says: without the journal, a killed mongod forgets writes it has acknowledged.
            w="majority",
            journal=True,
            serverSelectionTimeoutMS=timeout_ms,
            connectTimeoutMS=timeout_ms,
            socketTimeoutMS=6 * timeout_ms,
            retryWrites=False,  # needs a replica set; our writes are conditional and repeated by those who asked
        )
        self.database: Database = self._client[settings.mongo_database]

    async def check(self) -> None:
        """Raise `TransientError` unless the server answers."""
        with mongo_errors():
            await self._client.admin.command("ping")

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


@contextmanager
def mongo_errors() -> Iterator[None]:
    """Turn the driver's word for an absent or changing server into `TransientError`."""
    try:
        yield
    except (ConnectionFailure, AutoReconnect, WTimeoutError) as error:
        raise TransientError("the document store does not answer") from error
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        if error.has_error_label("RetryableWriteError") or error.timeout:
            raise TransientError("the document store does not answer") from error
        raise


async def next_number(database: Database, name: str) -> int:
    """Return the next positive integer of a named, atomic counter."""
    with mongo_errors():
        counter: Document = await database["counters"].find_one_and_update(
            {"_id": name}, {"$inc": {"value": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
    value: int = counter["value"]
    return value
