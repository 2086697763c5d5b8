"""Operations in MongoDB, each with its outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from datalab.events.envelope import Event
from datalab.events.operations import (
    FailureKind,
    InputFile,
    Lane,
    LinkedFile,
    OperationResult,
    OutputFile,
    StoredFile,
)
from datalab.platform.documents.client import (
    ASCENDING,
    DESCENDING,
    Database,
    Document,
    DuplicateKeyError,
    IndexModel,
    UpdateOne,
    mongo_errors,
    next_number,
)
from datalab.platform.documents.outbox import OutboxRelay, outbox_entries, outbox_index
from session_api.operations.inputs import FoundFile
from session_api.operations.model import (
    REQUESTED,
    UNFINISHED,
    Draft,
    Operation,
    OperationHandle,
    OperationRequest,
    OperationStatus,
    Parent,
)
from session_api.operations.waiting import ParentState, WaitingOperation
from session_api.web.window import Window

COLLECTION = "operations"
_WITHOUT_OUTBOX = {"outbox": False}
_HANDLE = {"attempt": True, "status": True, "correlation_id": True}
_PARENT_STATE = {"name": True, "status": True, "message": True, "result.output_files": True}
_WAITING = {"status": OperationStatus.WAITING.value, "deleted": False}
_PUBLISHED = {"outbox.0": {"$exists": False}}


class MongoOperationRepository:
    """Collection `operations`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._database = database
        self._operations = database[COLLECTION]
        self._relay = relay

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with mongo_errors():
            await self._operations.create_indexes(
                [
                    IndexModel([("session_id", ASCENDING), ("_id", ASCENDING)], name="session"),
                    IndexModel(
                        [("owner", ASCENDING), ("result.output_files.basename", ASCENDING)],
                        name="outputs",
                        partialFilterExpression={"status": OperationStatus.COMPLETED.value},
                    ),
                    IndexModel(
                        [("owner", ASCENDING), ("idempotency_key", ASCENDING)],
                        name="idempotency",
                        unique=True,
                        partialFilterExpression={"idempotency_key": {"$type": "string"}},
                    ),
                    IndexModel(
                        [("status", ASCENDING), ("request.lane", ASCENDING), ("last_news_at", ASCENDING)],
                        name="unfinished",
                        partialFilterExpression={"deleted": False},
                    ),
                    IndexModel(
                        [("draft.parents.id", ASCENDING)],
                        name="waits_for",
                        partialFilterExpression={"status": OperationStatus.WAITING.value},
                    ),
                    IndexModel([("deleted_at", ASCENDING)], name="deleted", partialFilterExpression={"deleted": True}),
                    outbox_index(),
                ]
            )

    async def next_id(self) -> int:
        return await next_number(self._database, COLLECTION)

    async def insert(self, operation: Operation, events: Sequence[Event], *, idempotency_key: str | None) -> bool:
        entries = outbox_entries(events)
        document: Document = {
            "_id": operation.id,
            "session_id": operation.session_id,
            "owner": operation.owner,
            "name": operation.name,
            **_inputs_document(operation),
            "created": operation.created,
            "correlation_id": operation.correlation_id,
            **_state_document(operation),
            "deleted": False,
            "outbox": entries,
        }
        if idempotency_key is not None:
            document["idempotency_key"] = idempotency_key
        with mongo_errors():
            try:
                await self._operations.insert_one(document)
            except DuplicateKeyError:
                return False
        self._relay.nudge(COLLECTION, operation.id, entries)
        return True

    async def find(self, owner: str, session_id: int, operation_id: int) -> Operation | None:
        return await self._find({"_id": operation_id, "owner": owner, "session_id": session_id, "deleted": False})

    async def find_by_idempotency_key(self, owner: str, key: str) -> Operation | None:
        return await self._find({"owner": owner, "idempotency_key": key, "deleted": False})

    async def find_any(self, operation_id: int) -> Operation | None:
        return await self._find({"_id": operation_id, "deleted": False})

    async def page(self, owner: str, session_id: int, window: Window) -> tuple[int, list[Operation]]:
        query = {"session_id": session_id, "owner": owner, "deleted": False}
        with mongo_errors():
            count = await self._operations.count_documents(query)
            documents = await (
                self._operations.find(query, _WITHOUT_OUTBOX)
                .sort("_id", ASCENDING)
                .skip(window.offset)
                .limit(window.limit)
                .to_list(None)
            )
        return count, [_operation(document) for document in documents]

    async def of_sessions(self, owner: str, session_ids: Sequence[int]) -> list[Operation]:
        query = {"session_id": {"$in": list(session_ids)}, "owner": owner, "deleted": False}
        with mongo_errors():
            documents = await self._operations.find(query, _WITHOUT_OUTBOX).sort("_id", ASCENDING).to_list(None)
        return [_operation(document) for document in documents]

    async def find_outputs(self, owner: str, basenames: Sequence[str]) -> dict[str, OutputFile]:
        wanted = set(basenames)
        query = {
            "owner": owner,
            "status": OperationStatus.COMPLETED,
            "result.output_files.basename": {"$in": list(wanted)},
            "deleted": False,
        }
        with mongo_errors():
            documents = await (
                self._operations.find(query, {"result.output_files": True}).sort("_id", DESCENDING).to_list(None)
            )
        outputs: dict[str, OutputFile] = {}
        for document in documents:
            for output in document["result"]["output_files"]:
                if output["basename"] in wanted and output["basename"] not in outputs:
                    outputs[output["basename"]] = OutputFile.model_validate(output)
        return outputs

    async def find_parents(self, owner: str, ids: Sequence[int]) -> dict[int, ParentState]:
        query = {"_id": {"$in": list(ids)}, "owner": owner, "deleted": False}
        with mongo_errors():
            documents = await self._operations.find(query, _PARENT_STATE).to_list(None)
        return {document["_id"]: _parent_state(document) for document in documents}

    async def find_any_waiting_for(self, ids: Sequence[int]) -> list[WaitingOperation]:
        return await self._waiting({**_WAITING, "draft.parents.id": {"$in": list(ids)}}, limit=0)

    async def find_any_waiting(self, *, after: int, limit: int) -> list[WaitingOperation]:
        return await self._waiting({**_WAITING, "_id": {"$gt": after}}, limit=limit)

    async def find_any_unfinished_ids(self, ids: Sequence[int]) -> set[int]:
        query = {"_id": {"$in": list(ids)}, "status": {"$in": list(UNFINISHED)}, "deleted": False}
        with mongo_errors():
            documents = await self._operations.find(query, {"_id": True}).to_list(None)
        return {document["_id"] for document in documents}

    async def replace_state(self, before: Operation, after: Operation, events: Sequence[Event]) -> bool:
        entries = outbox_entries(events)
        changes = {**_state_document(after), "revision": before.revision + 1}
        if after.request is not before.request:
            changes |= _inputs_document(after)
        with mongo_errors():
            result = await self._operations.update_one(
                {"_id": before.id, "attempt": before.attempt, "revision": before.revision, "deleted": False},
                {
                    "$set": changes,
                    "$push": {"outbox": {"$each": entries}},
                },
            )
        if result.modified_count and entries:
            self._relay.nudge(COLLECTION, before.id, entries)
        return bool(result.modified_count)

    async def handles(self, owner: str, session_id: int, ids: Sequence[int] | None) -> list[OperationHandle]:
        query: Document = {"session_id": session_id, "owner": owner, "deleted": False}
        if ids is not None:
            query["_id"] = {"$in": list(ids)}
        with mongo_errors():
            documents = await self._operations.find(query, _HANDLE).to_list(None)
        return [
            OperationHandle(
                id=document["_id"],
                attempt=document["attempt"],
                finished=document["status"] not in UNFINISHED,
                correlation_id=document["correlation_id"],
            )
            for document in documents
        ]

    async def mark_deleted(
        self, owner: str, session_id: int, deletions: Mapping[int, Sequence[Event]], *, now: datetime
    ) -> int:
        if not deletions:
            return 0
        entries = {operation_id: outbox_entries(events) for operation_id, events in deletions.items()}
        updates = [
            UpdateOne(
                {"_id": operation_id, "session_id": session_id, "owner": owner, "deleted": False},
                {
                    "$set": {"deleted": True, "deleted_at": now},
                    "$unset": {"idempotency_key": ""},
                    "$push": {"outbox": {"$each": added}},
                },
            )
            for operation_id, added in entries.items()
        ]
        with mongo_errors():
            result = await self._operations.bulk_write(updates, ordered=False)
        for operation_id, added in entries.items():
            # The few that somebody else deleted meanwhile get these events twice in their stream: both say the same.
            self._relay.nudge(COLLECTION, operation_id, added)
        return result.modified_count

    async def find_any_silent(self, lane: Lane, *, since: datetime, limit: int) -> list[Operation]:
        query = {
            "status": {"$in": list(REQUESTED)},
            "request.lane": lane.value,
            "last_news_at": {"$lt": since},
            "deleted": False,
            **_PUBLISHED,
        }
        with mongo_errors():
            documents = await (
                self._operations.find(query, _WITHOUT_OUTBOX).sort("last_news_at", ASCENDING).limit(limit).to_list(None)
            )
        return [_operation(document) for document in documents]

    async def count_any_unfinished(self) -> dict[OperationStatus, int]:
        with mongo_errors():
            return {
                status: await self._operations.count_documents({"status": status, "deleted": False})
                for status in UNFINISHED
            }

    async def purge_any(self, *, deleted_before: datetime) -> int:
        with mongo_errors():
            result = await self._operations.delete_many(
                {"deleted": True, "deleted_at": {"$lt": deleted_before}, **_PUBLISHED}
            )
        return result.deleted_count

    async def _find(self, query: Document) -> Operation | None:
        with mongo_errors():
            document = await self._operations.find_one(query, _WITHOUT_OUTBOX)
        return None if document is None else _operation(document)

    async def _waiting(self, query: Document, *, limit: int) -> list[WaitingOperation]:
        with mongo_errors():
            documents = await (
                self._operations.find(query, {"draft.parents.id": True})
                .sort("_id", ASCENDING)
                .limit(limit)
                .to_list(None)
            )
        return [
            WaitingOperation(document["_id"], tuple(parent["id"] for parent in document["draft"]["parents"]))
            for document in documents
        ]


def _inputs_document(operation: Operation) -> Document:
    """Return what is known of the inputs, which grows while an operation waits."""
    request = operation.request
    if isinstance(request, Draft):
        return {"input_data": operation.input_data, "request": None, "draft": _draft_document(request)}
    return {"input_data": operation.input_data, "request": _request_document(request), "draft": None}


def _request_document(request: OperationRequest) -> Document:
    return {
        "lane": request.lane.value,
        "parameters": request.parameters,
        "input_files": [file.model_dump(mode="json") for file in request.input_files],
    }


def _draft_document(draft: Draft) -> Document:
    return {
        "parents": [{"id": parent.id, "name": parent.name} for parent in draft.parents],
        "found": [{"file": found.file.model_dump(mode="json"), "filter": found.filter_name} for found in draft.found],
    }


def _state_document(operation: Operation) -> Document:
    """Return the part that changes while an operation lives."""
    return {
        "status": operation.status.value,
        "message": operation.message,
        "progress": operation.progress,
        "attempt": operation.attempt,
        "result": None if operation.result is None else operation.result.model_dump(mode="json"),
        "failure_kind": None if operation.failure_kind is None else operation.failure_kind.value,
        "requested_at": operation.requested_at,
        "started_at": operation.started_at,
        "finished_at": operation.finished_at,
        "last_news_at": operation.last_news_at,
        "revision": operation.revision,
    }


def _result(document: Document) -> OperationResult:
    """Take our own data as they are: checking the 10,000 stars of one diagram again would take 90 ms (measured)."""
    data_file = document.get("output_data_file")
    return OperationResult.model_construct(
        result_key=document["result_key"],
        output_files=tuple(OutputFile.model_validate(output) for output in document["output_files"]),
        output_data=tuple(document["output_data"]),
        # Results stored by the first version lack these.
        linked_files=tuple(LinkedFile.model_validate(file) for file in document.get("linked_files", ())),
        output_data_file=None if data_file is None else StoredFile.model_validate(data_file),
    )


def _parent_state(document: Document) -> ParentState:
    made = (document.get("result") or {}).get("output_files", ())
    return ParentState(
        parent=Parent(document["_id"], document["name"]),
        status=OperationStatus(document["status"]),
        message=document["message"],
        outputs=tuple(OutputFile.model_validate(output) for output in made),
    )


def _request(document: Document) -> OperationRequest | Draft:
    request, draft = document["request"], document.get("draft")
    if draft is not None:
        return Draft(
            parents=tuple(Parent(parent["id"], parent["name"]) for parent in draft["parents"]),
            found=tuple(
                FoundFile(InputFile.model_validate(found["file"]), found["filter"]) for found in draft["found"]
            ),
        )
    return OperationRequest(
        lane=Lane(request["lane"]),
        parameters=request["parameters"],
        input_files=tuple(InputFile.model_validate(file) for file in request["input_files"]),
    )


def _operation(document: Document) -> Operation:
    result, failure_kind = document["result"], document["failure_kind"]
    return Operation(
        id=document["_id"],
        session_id=document["session_id"],
        owner=document["owner"],
        name=document["name"],
        status=OperationStatus(document["status"]),
        message=document["message"],
        progress=document["progress"],
        input_data=document["input_data"],
        request=_request(document),
        attempt=document["attempt"],
        result=None if result is None else _result(result),
        failure_kind=None if failure_kind is None else FailureKind(failure_kind),
        created=document["created"],
        requested_at=document["requested_at"],
        started_at=document["started_at"],
        finished_at=document["finished_at"],
        last_news_at=document["last_news_at"],
        correlation_id=document["correlation_id"],
        revision=document["revision"],
    )
