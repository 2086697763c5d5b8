"""The document store. Motor is imported here and nowhere else, so that its successor is one change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from inspect import isawaitable
from typing import Any

from bson import decode_all, encode
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from datalab.documents.document import Document
from datalab.errors import OutageError
from datalab.platform.settings import MongoSettings

__all__ = [
    "Database",
    "DocumentStore",
    "DriverCollection",
    "DuplicateKeyError",
    "EncodedDocument",
    "IndexModel",
    "ReturnDocument",
    "UpdateOne",
    "aggregated",
    "encoded",
    "inserted",
    "mongo_errors",
    "read_while",
    "upserted",
]

#: Documents that come at once, as far as they fit into the 16 MiB of a message; of a few more, all: a page, and the
#: one that tells that there is another, are not asked for twice.
_BATCH, _MOST_AT_ONCE = 100, 200
#: The largest document there can be, in bytes.
_LARGEST = 16 * 1024**2
_DUPLICATE = 11000
#: What the server says of a hint at an index that is not there (error_codes.yml).
_BAD_VALUE = 2

EncodedDocument = RawBSONDocument
Database = AsyncIOMotorDatabase[Document]
DriverCollection = AsyncIOMotorCollection[Document]


class DocumentStore:
    """One process's connection to the document store."""

    def __init__(self, settings: MongoSettings, *, driver: Any = AsyncIOMotorClient) -> None:
        timeout_ms = int(settings.mongo_timeout_s * 1000)
        self._client = driver(
            settings.mongo_url.get_secret_value(),
            tz_aware=True,
            tzinfo=UTC,
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


async def read_while(
    collection: DriverCollection,
    query: Document,
    fields: Document,
    wanted: Callable[[Document, int], bool],
    *,
    sort: Sequence[tuple[str, int]],
    skip: int,
    limit: int,
    index: str | None = None,
) -> None:
    """Hand over some fields of the documents that fit, with the bytes they have, until one is not wanted.

    They come and are decoded many at a time. `index` names the one to read by; without it, or before who owns the
    collection has made it, the store chooses. Raises `TransientError`.
    """
    at_once = limit if 0 < limit <= _MOST_AT_ONCE else _BATCH
    options = {"sort": list(sort), "skip": skip, "limit": limit, "batch_size": at_once}
    with mongo_errors():
        try:
            await _read_batches(collection.find_raw_batches(query, fields, hint=index, **options), collection, wanted)
        except OperationFailure as error:
            if index is None or error.code != _BAD_VALUE or await _has_index(collection, index):
                raise
            await _read_batches(collection.find_raw_batches(query, fields, **options), collection, wanted)


async def _read_batches(cursor: Any, collection: DriverCollection, wanted: Callable[[Document, int], bool]) -> None:
    try:
        async for batch in cursor:
            documents = decode_all(batch, collection.codec_options)
            if not all(map(wanted, documents, _sizes(batch))):
                break
    finally:
        if cursor.alive:
            await cursor.close()


async def _has_index(collection: DriverCollection, name: str) -> bool:
    return name in await collection.index_information()


def _sizes(batch: bytes) -> Iterator[int]:
    """Yield how many bytes each of several documents has: each begins with that."""
    at = 0
    while at < len(batch):
        size = int.from_bytes(batch[at : at + 4], "little")
        yield size
        at += size


def encoded(document: Document) -> EncodedDocument:
    """Return a document as it is sent, so that one that cannot be sent is its writer's trouble only.

    Raises what the driver raises for such a document.
    """
    content = encode(document)
    if len(content) > _LARGEST:
        raise DocumentTooLarge(f"the document has {len(content)} bytes; {_LARGEST} are possible")
    return RawBSONDocument(content)


async def inserted(collection: DriverCollection, documents: Sequence[EncodedDocument]) -> list[bool | Exception]:
    """Store new documents by one write; return which of them are stored, False for those that exist already.

    Raises `OutageError`.
    """
    with mongo_errors():
        try:
            await collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            refusals = _refusals(error)
            is_there = {number for number, refusal in refusals.items() if refusal.code == _DUPLICATE}
            return [number not in is_there and refusals.get(number, True) for number in range(len(documents))]
    return [True] * len(documents)


async def upserted(
    collection: DriverCollection, documents: Sequence[tuple[Any, EncodedDocument]]
) -> list[OperationFailure | None]:
    """Set fields of documents by one write, each given with its id, new ones too; return what was refused of which.

    Raises `OutageError`.
    """
    writes = [UpdateOne({"_id": number}, {"$set": fields}, upsert=True) for number, fields in documents]
    with mongo_errors():
        try:
            await collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            refusals = _refusals(error)
            return [refusals.get(number) for number in range(len(documents))]
    return [None] * len(documents)


def _refusals(error: BulkWriteError) -> dict[int, OperationFailure]:
    """Return which writes of several were refused, and why. Raises the error if it says that of none."""
    details: Any = error.details
    if details["writeConcernErrors"]:
        raise error
    return {each["index"]: OperationFailure(each["errmsg"], each["code"], each) for each in details["writeErrors"]}


@contextmanager
def mongo_errors() -> Iterator[None]:
    """Turn the driver's word for an absent or changing server into `OutageError`."""
    try:
        yield
    except (ConnectionFailure, AutoReconnect, WTimeoutError) as error:
        raise OutageError("the document store does not answer") from error
    except DuplicateKeyError:
        raise
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:  # written, and perhaps lost again
            raise OutageError("the document store does not answer") from error
        raise
    except PyMongoError as error:
        if error.has_error_label("RetryableWriteError") or error.timeout:
            raise OutageError("the document store does not answer") from error
        raise
