"""Operations in MongoDB, each with its outbox.

A method is about one user's operations, or about those of sessions, and who asks has made sure that the caller may; one
that looks beyond says `any` in its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.events.envelope import Event
from datalab.events.object_keys import RESULTS
from datalab.events.operations import Lane, OutputFile
from datalab.platform.documents.client import Database, aggregated
from datalab.platform.documents.collection import PUBLISHED, Collection, LostRaceError
from datalab.platform.documents.outbox import OutboxRelay
from session_api.operations.inputs import MadeOutput
from session_api.operations.known import KnownOperations
from session_api.operations.model import (
    REQUESTED,
    UNFINISHED,
    Draft,
    Operation,
    OperationHandle,
    OperationStatus,
    Parent,
)
from session_api.operations.restrictions import Restriction
from session_api.operations.waiting import ParentState, WaitingOperation
from session_api.web.window import Window

_INDEXES = (
    Index(name="session", fields=(("session_id", ASCENDING), ("_id", ASCENDING))),
    Index(
        name="outputs",
        fields=(("owner", ASCENDING), ("result.output_files.basename", ASCENDING)),
        where={"status": OperationStatus.COMPLETED.value},
    ),
    Index(
        name="outputs_of_sessions",
        fields=(("session_id", ASCENDING), ("result.output_files.basename", ASCENDING)),
        where={"status": OperationStatus.COMPLETED.value},
    ),
    Index(
        name="idempotency",
        fields=(("owner", ASCENDING), ("idempotency_key", ASCENDING)),
        unique=True,
        where={"idempotency_key": {"$type": "string"}},
    ),
    Index(
        name="unfinished",
        fields=(("status", ASCENDING), ("request.lane", ASCENDING), ("last_news_at", ASCENDING)),
        where={"deleted": False},
    ),
    Index(
        name="waits_for",
        fields=(("draft.parents.id", ASCENDING),),
        where={"status": OperationStatus.WAITING.value},
    ),
    Index(
        name="turns",
        fields=(("owner", ASCENDING), ("request.lane", ASCENDING), ("_id", ASCENDING)),
        where={"status": OperationStatus.QUEUED.value},
    ),
    Index(
        name="shown_by",
        fields=(("request.restrictions.shown_by", ASCENDING),),
        where={"request.restrictions.shown_by": {"$type": "string"}},
    ),
    Index(name="deleted", fields=(("deleted_at", ASCENDING),), where={"deleted": True}),
    Index(
        name="result",
        fields=(("result.result_key", ASCENDING),),
        where={"result.result_key": {"$type": "string"}},
    ),
)
_HANDLE = {"attempt": True, "owner": True, "status": True, "correlation_id": True}
_OUTPUTS = {"session_id": True, "owner": True, "result.output_files": True, "request.restrictions": True}
_PARENT_STATE = {"name": True, "status": True, "message": True, **_OUTPUTS}
_QUEUED = {"status": OperationStatus.QUEUED.value, "deleted": False}
#: The bulk of many results, which lists of sessions do without.
_DATA = ("result.output_data", "result.output_data_file", "result.linked_files")
#: Operations that come with their sessions.
_MOST_NESTED = 1000
_WAITING = {"status": OperationStatus.WAITING.value, "deleted": False}
#: What is known of the inputs, which grows while an operation waits. It may be large, and seldom changes.
_INPUTS = ("input_data", "request", "draft")
#: A field beside those of an operation: others wait for its end, or have.
_AWAITED = "awaited"
#: What never changes.
_FIXED = ("_id", "session_id", "name", "created", "correlation_id", "request_digest", "deleted")


#: Where the keys of input files are: of operations that were requested, and of those that wait for the rest.
_INPUT_KEYS = {"request.input_files": "request.input_files.key", "draft.found": "draft.found.file.key"}
_IN_A_RESULT: Document = {"$regex": f"^{RESULTS}"}
#: More results than a disk has files.
_MOST_RESULTS = 2**31


class OperationRepository:
    """Collection `operations`. What is deleted is not found."""

    def __init__(self, *, database: Database, relay: OutboxRelay, max_answer_bytes: int) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._operations = Collection(database, "operations", Operation, indexes=_INDEXES, relay=relay)
        self._known = KnownOperations()
        self.ensure_indexes = self._operations.ensure_indexes
        self.next_id = self._operations.next_number

    async def insert(self, operation: Operation, events: Sequence[Event], *, idempotency_key: str | None) -> bool:
        """Store a new operation; return False if the owner has used the key before."""
        key = {} if idempotency_key is None else {"idempotency_key": idempotency_key}
        await self._mark_awaited(operation)
        is_new = await self._operations.insert(operation, events, **key)
        if is_new:
            self._known.keep(operation)
        return is_new

    async def find(self, session_id: int, operation_id: int) -> Operation | None:
        return await self._operations.find_one({"_id": operation_id, **_of_session(session_id)})

    async def find_by_idempotency_key(self, owner: str, key: str) -> Operation | None:
        return await self._operations.find_one({"owner": owner, "idempotency_key": key, "deleted": False})

    async def find_any(self, operation_id: int) -> Operation | None:
        return await self._operations.find_one({"_id": operation_id, "deleted": False})

    def find_any_known(self, operation_id: int) -> Operation | None:
        """Return an operation without its inputs as this process wrote it last, perhaps not as it is now."""
        return self._known.find(operation_id)

    async def page(self, session_id: int, window: Window) -> tuple[int, list[Operation]]:
        """Return how many operations the session has, and the window of them, by id."""
        query = _of_session(session_id)
        return await self._operations.count(query), await self._operations.find_within(
            query, skip=window.offset, limit=window.limit, max_bytes=self._max_answer_bytes, beside=_data_bytes
        )

    async def of_sessions(
        self, session_ids: Sequence[int], *, with_data: bool
    ) -> tuple[dict[int, int], list[Operation]]:
        """Return how many operations each session has, and the latest of them, by id: as many as fit in an answer.

        Without data, they are the same but for `output_data`.
        """
        query = {"session_id": {"$in": list(session_ids)}, "deleted": False}
        latest = await self._operations.find_within(
            query,
            sort=[("_id", DESCENDING)],
            limit=_MOST_NESTED,
            max_bytes=self._max_answer_bytes,
            without=() if with_data else _DATA,
            beside=_data_bytes,
        )
        counts = dict.fromkeys(session_ids, 0) | Counter(operation.session_id for operation in latest)
        if await self._operations.count(query) > len(latest):
            counts = {each: await self._operations.count(_of_session(each)) for each in session_ids}
        return counts, latest[::-1]

    async def any_has_result(self, result_key: str) -> bool:
        """Tell whether a result is that of an operation."""
        query = {"result.result_key": result_key, "deleted": False}
        return bool(await self._operations.rows(query, {"_id": True}, limit=1))

    async def any_referenced_results(self) -> set[str]:
        """Return the keys of the results that operations have made, or have outputs of as inputs."""
        made = await self._operations.rows(
            {"result.result_key": {"$type": "string"}, "deleted": False}, {"result.result_key": True}
        )
        found = {row["result"]["result_key"] for row in made}
        for files, field in _INPUT_KEYS.items():
            folder = {"$arrayElemAt": [{"$split": [f"${field}", "/"]}, -2]}
            found |= {
                row["_id"]
                for row in await aggregated(
                    self._operations.driver,
                    [
                        {"$match": {"deleted": False, field: _IN_A_RESULT}},
                        {"$project": {field: True}},
                        {"$unwind": f"${files}"},
                        {"$match": {field: _IN_A_RESULT}},
                        {"$group": {"_id": folder}},
                    ],
                    limit=_MOST_RESULTS,
                )
            }
        return found

    async def any_of(self, owner: str) -> bool:
        """Tell whether the owner has operations."""
        return bool(await self._operations.rows({"owner": owner, "deleted": False}, {"_id": True}, limit=1))

    async def sessions_of(self, owner: str) -> list[int]:
        """Return the sessions in which the owner has operations, somebody else's among them."""
        return await self._operations.distinct("session_id", {"owner": owner, "deleted": False})

    async def pass_on(self, owner: str, session_id: int, *, to: str) -> None:
        """Make another user the owner of operations in a session."""
        await self._operations.update_all(
            {"owner": owner, **_of_session(session_id)},
            {"$set": {"owner": to}, "$inc": {"revision": 1}, "$unset": {"idempotency_key": ""}},
        )

    async def find_outputs(
        self, basenames: Sequence[str], *, owner: str | None = None, session_ids: Sequence[int] | None = None
    ) -> list[MadeOutput]:
        """Return output files of the owner's completed operations, or of those of sessions, the latest first.

        Of those of one name in one session only the latest.
        """
        wanted = set(basenames)
        query: Document = {
            **({} if owner is None else {"owner": owner}),
            **({} if session_ids is None else {"session_id": {"$in": list(session_ids)}}),
            "status": OperationStatus.COMPLETED,
            "result.output_files.basename": {"$in": list(wanted)},
            "deleted": False,
        }
        latest: dict[tuple[str, int], MadeOutput] = {}
        for row in await self._operations.rows(query, _OUTPUTS, sort=[("_id", DESCENDING)]):
            for output in row["result"]["output_files"]:
                place = output["basename"], row["session_id"]
                if output["basename"] in wanted and place not in latest:
                    latest[place] = MadeOutput(
                        operation_id=row["_id"],
                        session_id=row["session_id"],
                        owner=row["owner"],
                        output=OutputFile.model_validate(output),
                        restrictions=_restrictions(row),
                    )
        return list(latest.values())

    async def find_any_completed(self, operation_id: int) -> Operation | None:
        """Return an operation, if it has a result."""
        query = {"_id": operation_id, "status": OperationStatus.COMPLETED, "deleted": False}
        return await self._operations.find_one(query)

    async def find_any_parents(self, ids: Sequence[int]) -> dict[int, ParentState]:
        """Return how those operations stand that have one of the ids."""
        query = {"_id": {"$in": list(ids)}, "deleted": False}
        return {row["_id"]: _parent_state(row) for row in await self._operations.rows(query, _PARENT_STATE)}

    async def find_any_waiting_for(self, ids: Sequence[int]) -> list[WaitingOperation]:
        """Return the operations that wait for one of these, by id."""
        return await self._waiting({**_WAITING, "draft.parents.id": {"$in": list(ids)}}, limit=0)

    async def find_any_waiting(self, *, after: int, limit: int) -> list[WaitingOperation]:
        """Return operations that wait, by id, from the first one after an id."""
        return await self._waiting({**_WAITING, "_id": {"$gt": after}}, limit=limit)

    async def find_any_unfinished_ids(self, ids: Sequence[int]) -> set[int]:
        """Return those of the ids whose operations are not finished."""
        query = {"_id": {"$in": list(ids)}, "status": {"$in": list(UNFINISHED)}, "deleted": False}
        return {row["_id"] for row in await self._operations.rows(query, {"_id": True})}

    async def replace_state(self, before: Operation, after: Operation, events: Sequence[Event]) -> bool:
        """Store the new state, with its inputs if they changed; return whether others may be waiting for its end.

        Raises `LostRaceError` if somebody changed or deleted the operation since it was read.
        """
        await self._mark_awaited(after)
        query, fields = _replacement(before, after)
        # A key is its owner's: the next one may have used it for something else.
        more = {} if after.owner == before.owner else {"$unset": {"idempotency_key": ""}}
        try:
            written = await self._operations.replace(query, fields, events, tell=[_AWAITED], **more)
        except LostRaceError:
            self._known.forget(before.id)
            raise
        self._known.keep(after)
        return _AWAITED in written

    async def replace_each(self, changes: Sequence[tuple[Operation, Operation, Sequence[Event]]]) -> None:
        """Store the new states of several operations; those that somebody changed or deleted meanwhile stay so."""
        replacements = [(*_replacement(before, after), events) for before, after, events in changes]
        await self._operations.update_each(
            [(query, {"$set": fields}, events) for query, fields, events in replacements]
        )
        for _, after, _ in changes:
            self._known.keep(after)

    async def _mark_awaited(self, operation: Operation) -> None:
        """Mark what an operation is about to wait for, so that whoever ends one of these knows that somebody waits.

        Before the operation itself is stored: what ends after that was marked; what had ended is found at once.
        """
        if operation.status is OperationStatus.WAITING and isinstance(operation.request, Draft):
            ids = [parent.id for parent in operation.request.parents]
            await self._operations.update_all({"_id": {"$in": ids}}, {"$set": {_AWAITED: True}})

    async def handles(self, session_id: int, ids: Sequence[int] | None) -> list[OperationHandle]:
        """Return a session's operations, or those of them with one of the ids."""
        query = _of_session(session_id)
        if ids is not None:
            query["_id"] = {"$in": list(ids)}
        return [
            OperationHandle(
                id=row["_id"],
                attempt=row["attempt"],
                owner=row["owner"],
                finished=row["status"] not in UNFINISHED,
                correlation_id=row["correlation_id"],
            )
            for row in await self._operations.rows(query, _HANDLE)
        ]

    async def mark_deleted(
        self,
        session_id: int,
        deletions: Sequence[tuple[OperationHandle, Sequence[Event]]],
        *,
        now: datetime,
    ) -> int:
        """Delete operations, each with its events, unless another attempt has begun; return how many that were."""
        changes = {"$set": {"deleted": True, "deleted_at": now}, "$unset": {"idempotency_key": ""}}
        return await self._operations.update_each(
            [
                ({"_id": handle.id, "attempt": handle.attempt, **_of_session(session_id)}, changes, events)
                for handle, events in deletions
            ]
        )

    async def forget_any_shown_by(self, username: str) -> None:
        """Have what a user has shown in sessions of others be shown by nobody: somebody else may get the name."""
        shown_by = {"$cond": [{"$eq": ["$$each.shown_by", username]}, "", "$$each.shown_by"]}
        restrictions = {
            "$map": {
                "input": "$request.restrictions",
                "as": "each",
                "in": {"$mergeObjects": ["$$each", {"shown_by": shown_by}]},
            }
        }
        await self._operations.update_all(
            {"request.restrictions.shown_by": username}, [{"$set": {"request.restrictions": restrictions}}]
        )

    async def find_any_silent(self, lane: Lane, *, since: datetime, limit: int) -> list[Operation]:
        """Return unfinished operations of a lane without news since then, whose events are all published."""
        query = {
            "status": {"$in": list(REQUESTED)},
            "request.lane": lane.value,
            "last_news_at": {"$lt": since},
            "deleted": False,
            **PUBLISHED,
        }
        return await self._operations.find(query, sort=[("last_news_at", ASCENDING)], limit=limit)

    async def count_any_under_way(self, owner: str, lane: Lane, *, most: int) -> int:
        """Return how many of a user's operations the runners of a lane have or will get, `most` at the most."""
        query = {"owner": owner, "status": {"$in": list(REQUESTED)}, "request.lane": lane.value, "deleted": False}
        return await self._operations.count(query, most=most)

    async def find_any_queued(self, owner: str, lane: Lane, *, limit: int) -> list[Operation]:
        """Return a user's operations that wait for their turn in a lane, the first one first."""
        return await self._operations.find({**_QUEUED, "owner": owner, "request.lane": lane.value}, limit=limit)

    async def find_any_queued_owners(self, lane: Lane) -> list[str]:
        """Return the users whose operations wait for their turn in a lane."""
        return await self._operations.distinct("owner", {**_QUEUED, "request.lane": lane.value})

    async def count_any_unfinished(self) -> dict[OperationStatus, int]:
        return {status: await self._operations.count({"status": status, "deleted": False}) for status in UNFINISHED}

    async def purge_any(self, *, deleted_before: datetime) -> int:
        """Remove deleted operations whose events are all published."""
        return await self._operations.delete({"deleted": True, "deleted_at": {"$lt": deleted_before}, **PUBLISHED})

    async def _waiting(self, query: Document, *, limit: int) -> list[WaitingOperation]:
        rows = await self._operations.rows(query, {"draft.parents.id": True}, limit=limit)
        return [WaitingOperation(row["_id"], tuple(parent["id"] for parent in row["draft"]["parents"])) for row in rows]


def _data_bytes(operation: Operation) -> int:
    """Return how large the data are that a result keeps apart."""
    apart = None if operation.result is None else operation.result.output_data_file
    return 0 if apart is None else apart.size_bytes


def _replacement(before: Operation, after: Operation) -> tuple[Document, Document]:
    """Return the query that finds the operation if it is still as it was, and the fields to set."""
    unchanged = {*_FIXED, *(_INPUTS if after.request is before.request else ())}
    unchanged |= {"owner"} if after.owner == before.owner else set()
    fields = {name: value for name, value in after.stored().items() if name not in unchanged}
    query = {
        "_id": before.id,
        "attempt": before.attempt,
        "revision": before.revision,
        "correlation_id": before.correlation_id,
        "deleted": False,
    }
    return query, fields


def _of_session(session_id: int) -> Document:
    return {"session_id": session_id, "deleted": False}


def _parent_state(row: Document) -> ParentState:
    made = (row.get("result") or {}).get("output_files", ())
    return ParentState(
        session_id=row["session_id"],
        owner=row["owner"],
        parent=Parent(row["_id"], row["name"]),
        status=OperationStatus(row["status"]),
        message=row["message"],
        outputs=tuple(OutputFile.model_validate(output) for output in made),
        restrictions=_restrictions(row),
    )


def _restrictions(row: Document) -> tuple[Restriction, ...]:
    stored = (row.get("request") or {}).get("restrictions", ())
    return tuple(Restriction.model_validate(each) for each in stored)
