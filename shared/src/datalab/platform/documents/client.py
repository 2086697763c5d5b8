"""The document store. Motor is imported here and nowhere else, so that its successor is one change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import AutoReconnect, ConnectionFailure, DuplicateKeyError, PyMongoError, WTimeoutError

from datalab.documents.document import Document
from datalab.errors import OutageError
from datalab.platform.settings import MongoSettings

__all__ = [
    "Database",
    "DocumentStore",
    "DriverCollection",
    "DuplicateKeyError",
    "IndexModel",
    "ReturnDocument",
    "UpdateOne",
    "aggregated",
    "aggregated_while",
    "mongo_errors",
]

#: Documents that come at once, as far as they fit into the 16 MiB of a message.
_BATCH = 100

Database = AsyncIOMotorDatabase[Document]
DriverCollection = AsyncIOMotorCollection[Document]


class DocumentStore:
    """One process's connection to the document store."""

    def __init__(self, settings: MongoSettings, *, driver: Any = AsyncIOMotorClient) -> None:
        timeout_ms = int(settings.mongo_timeout_s * 1000)
        self._client = driver(
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

    async def close(self) -> None:
        """Close every connection."""
        closing = self._client.close()
        if isawaitable(closing):  # PyMongo's client waits for it, Motor's does not
            await closing


async def aggregated(collection: DriverCollection, pipeline: Sequence[Document], *, limit: int) -> list[Document]:
    """Return what a pipeline makes of a collection. Raises `TransientError`."""
    with mongo_errors():
        cursor: Any = collection.aggregate(pipeline)
        if isawaitable(cursor):  # likewise
            cursor = await cursor
        documents: list[Document] = await cursor.to_list(limit)
    return documents


async def aggregated_while(
    collection: DriverCollection, pipeline: Sequence[Document], wanted: Callable[[Document], bool]
) -> None:
    """Hand over what a pipeline makes of a collection, one by one, until one is not wanted. Raises `TransientError`."""
    with mongo_errors():
        cursor: Any = collection.aggregate(pipeline, batchSize=_BATCH)
        if isawaitable(cursor):  # likewise
            cursor = await cursor
        try:
            async for document in cursor:
                if not wanted(document):
                    break
        finally:
            await cursor.close()


@contextmanager
def mongo_errors() -> Iterator[None]:
    """Turn the driver's word for an absent or changing server into `OutageError`."""
    try:
        yield
    except (ConnectionFailure, AutoReconnect, WTimeoutError) as error:
        raise OutageError("the document store does not answer") from error
    except DuplicateKeyError:
        raise
    except PyMongoError as error:
        if error.has_error_label("RetryableWriteError") or error.timeout:
            raise OutageError("the document store does not answer") from error
        raise
