"""Collections of documents that are pydantic models, each with its outbox.

What every writer needs is here once: the driver's errors in our words, events in the same write, the nudge that has
them published, and changes that hold only if nobody else was faster.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from datalab.documents.document import ASCENDING, Document, Index, StoredDocument
from datalab.errors import TransientError
from datalab.events.envelope import Event
from datalab.platform.documents.client import (
    Database,
    EncodedDocument,
    IndexModel,
    ReturnDocument,
    UpdateOne,
    aggregated,
    encoded,
    inserted,
    mongo_errors,
    read_while,
    upserted,
)
from datalab.platform.documents.outbox import OUTBOX_INDEX, OutboxRelay, outbox_entries
from datalab.platform.together import Together

#: A write waits for the journal about as long as a disk takes to store this.
_MOST_AT_ONCE_BYTES = 1024**2
_WITHOUT_OUTBOX = {"outbox": False}
#: Documents whose events are all published: nothing is lost with them.
PUBLISHED: Document = {"outbox.0": {"$exists": False}}

Sort = Sequence[tuple[str, int]]
T = TypeVar("T")


DocumentT = TypeVar("DocumentT", bound=StoredDocument)


class LostRaceError(Exception):
    """Somebody else changed the document since it was read."""


class Collection(Generic[DocumentT]):
    """The documents of one kind. Every method raises `TransientError` when the store does not answer.

    With a relay, documents have an outbox, and events given to a write are published soon after it.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        model: type[DocumentT],
        *,
        indexes: Sequence[Index] = (),
        relay: OutboxRelay | None = None,
        numbers_ahead: int = 0,
    ) -> None:
        """So many `numbers_ahead` are taken together with one that is asked for: the next ones cost no write."""
        self._counters = database["counters"]
        self._model = model
        self._indexes = [*indexes, *([OUTBOX_INDEX] if relay else [])]
        self._relay = relay
        # Each write waits for the journal: what is asked for meanwhile is one write, too.
        self._numbers_ahead = numbers_ahead
        self._taken_ahead: deque[int] = deque()
        self._numbering: Together[None, int] = Together(self._numbers, most=1000)
        self._inserting: Together[EncodedDocument, bool] = Together(
            lambda documents: inserted(self.driver, documents),
            most=_MOST_AT_ONCE_BYTES,
            size=lambda each: len(each.raw),
        )
        self._upserting: Together[tuple[Any, EncodedDocument], None] = Together(
            lambda documents: upserted(self.driver, documents),
            most=_MOST_AT_ONCE_BYTES,
            size=lambda each: len(each[1].raw),
        )
        self.driver = database[name]
        if relay is not None:
            relay.watch(self.driver)

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        if self._indexes:
            with mongo_errors():
                await self.driver.create_indexes([_index_model(index) for index in self._indexes])

    async def next_number(self) -> int:
        """Return the next positive integer of this collection's own, atomic counter.

        Who was cancelled meanwhile leaves a gap, which does no harm, and so does a process that ends with some in hand.
        """
        return await self._numbering.ask(None)

    async def _numbers(self, asked: Sequence[None]) -> list[int]:
        lacking = len(asked) - len(self._taken_ahead)
        if lacking > 0:
            taken = lacking + self._numbers_ahead
            last = await self._count_up(taken)
            self._taken_ahead.extend(range(last - taken + 1, last + 1))
        return [self._taken_ahead.popleft() for _ in asked]

    async def _count_up(self, by: int) -> int:
        with mongo_errors():
            counter: Any = await self._counters.find_one_and_update(
                {"_id": self.driver.name}, {"$inc": {"value": by}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        number: int = counter["value"]
        return number

    # --- reading ----------------------------------------------------------------------------------------------

    async def find_one(self, query: Document) -> DocumentT | None:
        """Return the document that fits."""
        with mongo_errors():
            document = await self.driver.find_one(query, _WITHOUT_OUTBOX)
        return None if document is None else self._model.read(document)

    async def find(
        self,
        query: Document,
        *,
        sort: Sort = (("_id", ASCENDING),),
        skip: int = 0,
        limit: int = 0,
        without: Iterable[str] = (),
    ) -> list[DocumentT]:
        """Return the documents that fit, `limit` at the most (0: all), without some of their optional fields."""
        projection = {**_WITHOUT_OUTBOX, **dict.fromkeys(without, False)}
        rows = await self.rows(query, projection, sort=sort, skip=skip, limit=limit)
        return [self._model.read(row) for row in rows]

    async def find_within(
        self,
        query: Document,
        *,
        max_bytes: int,
        limit: int,
        sort: Sort = (("_id", ASCENDING),),
        skip: int = 0,
        without: Iterable[str] = (),
        beside: Callable[[DocumentT], int] = lambda _: 0,
    ) -> list[DocumentT]:
        """Return the first documents that fit, `limit` at the most, and no more bytes of them than allowed.

        They come without some of their optional fields; `beside` tells how many bytes belong to a document that are
        stored elsewhere. One document always comes.
        """
        found = _Within(read=self._model.read, beside=beside, max_bytes=max_bytes)
        fields = {**_WITHOUT_OUTBOX, **dict.fromkeys(without, False)}
        await read_while(self.driver, query, fields, found.take, sort=sort, skip=skip, limit=limit)
        return found.taken

    async def rows_within(
        self,
        query: Document,
        fields: Document,
        *,
        max_bytes: int,
        beside_bytes: int,
        limit: int,
        sort: Sort,
        skip: int = 0,
        index: str | None = None,
    ) -> tuple[list[Document], bool]:
        """Return some fields of the first documents that fit, likewise, as they are stored; and whether there are more.

        `beside_bytes` belong to each that are stored elsewhere. `index` names the one to read by.
        """
        found: _Within[Document] = _Within(read=_same, beside=lambda _: beside_bytes, max_bytes=max_bytes)
        await read_while(self.driver, query, fields, found.take, sort=sort, skip=skip, limit=limit, index=index)
        return found.taken, found.is_full

    async def rows(
        self,
        query: Document,
        fields: Document,
        *,
        sort: Sort = (("_id", ASCENDING),),
        skip: int = 0,
        limit: int = 0,
        index: str | None = None,
    ) -> list[Document]:
        """Return some fields of the documents that fit, as they are stored. `index` names the one to read by."""
        options: dict[str, Any] = {} if index is None else {"hint": index}
        with mongo_errors():
            found = self.driver.find(query, fields, sort=list(sort), skip=skip, limit=limit, **options)
            return await found.to_list(None)

    async def count(self, query: Document, *, most: int | None = None) -> int:
        """Return how many documents fit, `most` at the most."""
        limit: dict[str, Any] = {} if most is None else {"limit": most}
        with mongo_errors():
            return await self.driver.count_documents(query, **limit)

    async def estimated_count(self) -> int:
        """Return how many documents there are, as the store remembers it."""
        with mongo_errors():
            return await self.driver.estimated_document_count()

    async def aggregate(self, pipeline: Sequence[Document], *, limit: int) -> list[Document]:
        """Return what a pipeline makes of the documents, `limit` of them at the most."""
        return await aggregated(self.driver, pipeline, limit=limit)

    async def distinct(self, field: str, query: Document) -> list[Any]:
        """Return the values a field has in the documents that fit, each once."""
        with mongo_errors():
            return await self.driver.distinct(field, query)

    # --- writing ----------------------------------------------------------------------------------------------

    async def insert(self, document: DocumentT, events: Iterable[Event] = (), **fields: Any) -> bool:
        """Store a new document, with fields beside those of the model; return False if it exists already."""
        stored = {**document.stored(), **fields}
        entries = outbox_entries(events)
        if self._relay is not None:
            stored["outbox"] = entries
        is_new = await self._inserting.ask(encoded(stored))
        if is_new and entries:
            self._nudge(stored["_id"], entries)
        return is_new

    async def save_revision(self, document: DocumentT, events: Iterable[Event] = ()) -> None:
        """Store a document that counts its changes in `revision`, from 1 on, with events.

        Raises `LostRaceError` unless what is stored is the revision before.
        """
        fields = document.stored()
        if fields["revision"] > 1:
            query = {"_id": fields.pop("_id"), "revision": fields["revision"] - 1}
            await self.replace(query, fields, events)
        elif not await self.insert(document, events):
            raise LostRaceError

    async def update(self, query: Document, changes: Document, events: Iterable[Event] = ()) -> bool:
        """Change the one document that fits, `query["_id"]` being its id; return whether there was one."""
        entries = outbox_entries(events)
        if entries:
            return await self._change(query, changes, entries, ()) is not None
        with mongo_errors():
            return bool((await self.driver.update_one(query, changes)).matched_count)

    async def replace(
        self, query: Document, fields: Document, events: Iterable[Event] = (), *, tell: Iterable[str] = (), **more: Any
    ) -> Document:
        """Set fields of the one document that fits; return those of its fields named in `tell`, as far as it has them.

        Raises `LostRaceError` if there is no such document any more.
        """
        written = await self._change(query, {"$set": fields, **more}, outbox_entries(events), tell)
        if written is None:
            raise LostRaceError
        return written

    async def _change(
        self, query: Document, changes: Document, entries: list[Document], tell: Iterable[str]
    ) -> Document | None:
        # The write itself tells what else waits to be published, and must be before this.
        with mongo_errors():
            written: Any = await self.driver.find_one_and_update(
                query,
                _with_entries(changes, entries),
                projection={"_id": True, **dict.fromkeys(tell, True), **({"outbox": True} if entries else {})},
                return_document=ReturnDocument.AFTER,
            )
        if written is not None and entries:
            self._nudge(written["_id"], written.pop("outbox"))
        found: Document | None = written
        return found

    async def update_all(self, query: Document, changes: Document | Sequence[Document]) -> int:
        """Change every document that fits; return how many there were."""
        with mongo_errors():
            result = await self.driver.update_many(query, changes)
        return result.matched_count

    async def update_each(self, updates: Sequence[tuple[Document, Document, Sequence[Event]]]) -> int:
        """Change several documents, each given by query (with `_id`), changes and events; return how many fitted."""
        if not updates:
            return 0
        prepared = [(query, changes, outbox_entries(events)) for query, changes, events in updates]
        writes = [UpdateOne(query, _with_entries(changes, entries)) for query, changes, entries in prepared]
        with mongo_errors():
            result = await self.driver.bulk_write(writes, ordered=False)
        for query, _, entries in prepared:
            if entries:
                self._nudge(query["_id"], None)
        return result.modified_count

    async def change_and_find(self, query: Document, changes: Document) -> DocumentT | None:
        """Change the one document that fits, and return it as it is then."""
        with mongo_errors():
            document: Any = await self.driver.find_one_and_update(
                query, changes, projection=_WITHOUT_OUTBOX, return_document=ReturnDocument.AFTER
            )
        return None if document is None else self._model.read(document)

    async def change_first(
        self,
        query: Document,
        changes: Document | Sequence[Document],
        *,
        sort: Sort,
        index: str | None = None,
        fields: Document | None = None,
        as_before: bool = False,
        create: bool = False,
    ) -> Document | None:
        """Change the first document that fits, and return some of its fields as they are then, or were before.

        Of those who ask at the same time, each gets another one. `index` names the one to read by. Where none fits, one
        is made if `create` says so.
        """
        options: dict[str, Any] = {} if index is None else {"hint": index}
        with mongo_errors():
            document: Document | None = await self.driver.find_one_and_update(
                query,
                changes,
                projection=_WITHOUT_OUTBOX if fields is None else fields,
                sort=list(sort) or None,
                return_document=ReturnDocument.BEFORE if as_before else ReturnDocument.AFTER,
                upsert=create,
                **options,
            )
        return document

    async def upsert(self, document: DocumentT) -> None:
        """Store a document, whatever there was under its id."""
        fields = document.stored()
        await self._upserting.ask((fields.pop("_id"), encoded(fields)))

    async def upsert_all(self, documents: Sequence[DocumentT]) -> None:
        """Store several documents, whatever there was under their ids."""
        await asyncio.gather(*map(self.upsert, documents))

    async def delete(self, query: Document) -> int:
        """Remove every document that fits; return how many there were."""
        with mongo_errors():
            result = await self.driver.delete_many(query)
        return result.deleted_count

    def _nudge(self, document_id: Any, outbox: list[Document] | None) -> None:
        if self._relay is not None:
            self._relay.nudge(self.driver.name, document_id, outbox)


class _Within(Generic[T]):
    """Takes documents as long as they are no more bytes than allowed; the first in any case."""

    def __init__(self, *, read: Callable[[Document], T], beside: Callable[[T], int], max_bytes: int) -> None:
        self._read = read
        self._beside = beside
        self._left = max_bytes
        self.taken: list[T] = []
        #: There are more documents than the bytes allow.
        self.is_full = False

    def take(self, row: Document, size: int) -> bool:
        """Return whether more is wanted."""
        self._left -= size
        if self._left < 0 and self.taken:
            self.is_full = True
            return False
        document = self._read(row)
        self._left -= self._beside(document)
        if self._left < 0 and self.taken:
            self.is_full = True
            return False
        self.taken.append(document)
        return True


def _same(row: Document) -> Document:
    return row


async def until_won(turn: Callable[[], Awaitable[T]], *, races: int, of: str) -> T:
    """Read, decide and write again as often as somebody else was faster: a turn that loses raises `LostRaceError`.

    Raises `TransientError` after so many lost races.
    """
    for _ in range(races):
        try:
            return await turn()
        except LostRaceError:
            continue
    raise TransientError(f"{of} is being changed by too many at once")


def _with_entries(changes: Document, entries: list[Document]) -> Document:
    return {**changes, "$push": {"outbox": {"$each": entries}}} if entries else changes


def _index_model(index: Index) -> IndexModel:
    options = {
        "name": index.name,
        "unique": index.unique or None,
        "partialFilterExpression": index.where,
        "expireAfterSeconds": index.expires_after_s,
    }
    return IndexModel(list(index.fields), **{name: value for name, value in options.items() if value is not None})
