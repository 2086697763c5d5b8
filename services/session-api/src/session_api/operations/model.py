"""Operations: their states, and what a report makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SkipValidation,
    field_serializer,
    field_validator,
    model_validator,
)

from datalab.documents.document import Document, StoredDocument
from datalab.events.envelope import UtcDatetime
from datalab.events.operations import (
    FailureKind,
    InputFile,
    InputSource,
    Lane,
    OperationCancelled,
    OperationDelayed,
    OperationFailed,
    OperationProgressed,
    OperationReport,
    OperationResult,
    OperationStarted,
    OperationSucceeded,
)
from session_api.operations.inputs import FoundFile
from session_api.operations.restrictions import Restriction, united

_HIDDEN = "The output was made from frames that you may no longer read."
#: What a message says in the place of a frame's name.
_SOME_FRAME = "a frame you may not see"
#: How many of the operations it waits for an operation names.
_MOST_NAMED = 3
#: Begins the message of an operation that waits for a server.
_DELAYED = "Waiting: "
_CANCELLED = "Cancelled"


class OperationStatus(StrEnum):
    """WAITING is for outputs of other operations, QUEUED for its turn; no runner has been asked yet."""

    WAITING = "WAITING"
    QUEUED = "QUEUED"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def shown(self) -> str:
        """The state as clients are told it: in version 1 of the API, an operation that waits is just not begun."""
        return (OperationStatus.PENDING if self in UNASKED else self).value

    @property
    def classic(self) -> str:
        """The state in the words of clients that do not know operations can be cancelled: they would wait for ever."""
        return (OperationStatus.FAILED if self is OperationStatus.CANCELLED else self).shown


#: A runner has been asked and has not reported an end.
REQUESTED = (OperationStatus.PENDING, OperationStatus.IN_PROGRESS)
UNASKED = (OperationStatus.WAITING, OperationStatus.QUEUED)
UNFINISHED = (*UNASKED, *REQUESTED)
RETRYABLE = (OperationStatus.FAILED, OperationStatus.CANCELLED)


class OperationRequest(BaseModel):
    """What the runners are asked for: nothing in it depends on who asks."""

    model_config = ConfigDict(frozen=True)

    lane: Lane
    parameters: Annotated[dict[str, JsonValue], SkipValidation]
    input_files: tuple[InputFile, ...]
    restrictions: tuple[Restriction, ...] = ()  # on who may see what is made of them


@dataclass(frozen=True, slots=True)
class Parent:
    """An operation whose outputs are inputs of another one."""

    id: int
    name: str

    def __str__(self) -> str:
        return f"operation {self.id} ({self.name})"


class Draft(BaseModel):
    """A request that lacks the outputs of `parents`, which are not finished; `found` are the files known already."""

    model_config = ConfigDict(frozen=True)

    parents: tuple[Parent, ...]
    found: tuple[FoundFile, ...]

    @property
    def input_files(self) -> tuple[InputFile, ...]:
        """The files known already."""
        return tuple(file.file for file in self.found)

    @property
    def restrictions(self) -> tuple[Restriction, ...]:
        """Those the known files put on what is made of them."""
        return united(each for file in self.found for each in file.restrictions)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationHandle:
    """As much of an operation as is needed to end it."""

    id: int
    attempt: int
    owner: str
    finished: bool
    correlation_id: str


class Operation(StoredDocument):
    """One operation of a session. `progress` runs from 0 to 1; `revision` grows with every change.

    `owner` is who started it, or tried it again last: with their rights it is computed. In a session that is shared
    that need not be the session's owner.

    A draft is kept when the operation ends without its request being complete: a retry takes it up again.
    """

    id: int = Field(alias="_id")
    session_id: int
    owner: str
    name: str
    status: OperationStatus
    message: str = ""
    progress: float = 0.0
    input_data: Annotated[dict[str, JsonValue], SkipValidation]  # checked when it came in
    request: OperationRequest | Draft
    attempt: int = 1
    result: OperationResult | None = None
    failure_kind: FailureKind | None = None
    created: UtcDatetime
    requested_at: UtcDatetime
    started_at: UtcDatetime | None = None
    finished_at: UtcDatetime | None = None
    last_news_at: UtcDatetime
    correlation_id: str
    request_digest: str | None = None  # of what was posted, for those who post it again with the same Idempotency-Key
    revision: int = 1
    deleted: bool = False

    @model_validator(mode="before")
    @classmethod
    def _draft_or_request(cls, document: dict[str, Any]) -> dict[str, Any]:
        """In a document, a draft stands in a field of its own."""
        draft = document.get("draft")
        return document if draft is None else {**document, "request": draft}

    @field_validator("result", mode="before")
    @classmethod
    def _as_stored(cls, result: Any) -> Any:
        """Take our own data as they are: checking the 10,000 stars of one diagram again would take 90 ms (measured)."""
        if not isinstance(result, dict):
            return result
        # Results stored by the first version lack what came later.
        bare = OperationResult.model_validate({**result, "output_data": ()})
        return bare.model_copy(update={"output_data": tuple(result.get("output_data", ()))})

    @field_serializer("result")
    def _plain_result(self, result: OperationResult | None) -> dict[str, Any] | None:
        return None if result is None else result.model_dump(mode="json")

    def stored(self) -> Document:
        """Return what is written."""
        document = super().stored()
        waits = isinstance(self.request, Draft)
        return {**document, "request": None, "draft": document["request"]} if waits else {**document, "draft": None}

    @property
    def lane(self) -> Lane | None:
        """Where it is computed; not known of a request that lacks inputs."""
        return self.request.lane if isinstance(self.request, OperationRequest) else None

    @property
    def finished(self) -> bool:
        return self.status not in UNFINISHED

    def without_inputs(self) -> Operation:
        """Return as much of it as reports are about. Its inputs may be large; storing its next state leaves them."""
        if isinstance(self.request, Draft):
            return self
        bare = OperationRequest(lane=self.request.lane, parameters={}, input_files=())
        return self.model_copy(update={"input_data": {}, "request": bare})

    def handle(self) -> OperationHandle:
        """Return what is needed to end it."""
        return OperationHandle(
            id=self.id,
            attempt=self.attempt,
            owner=self.owner,
            finished=self.finished,
            correlation_id=self.correlation_id,
        )

    def without_result(self) -> Operation:
        """Return the operation as those see it who may not see what it made."""
        if self.result is None:
            return self
        hidden = OperationResult(result_key=self.result.result_key)
        return self.model_copy(update={"result": hidden, "message": _HIDDEN})

    def frames(self) -> set[str]:
        """Return the frames it names or was made from."""
        named = (item for value in self.input_data.values() if isinstance(value, list) for item in value)
        used = (file.basename for file in self.request.input_files if file.source is InputSource.ARCHIVE)
        return {name for item in named if (name := frame_of(item)) is not None}.union(used)

    def without_frames(self, hidden: AbstractSet[str]) -> Operation:
        """Return the operation without a word about some frames, for those who may not know them."""
        if not hidden:
            return self
        shown = {
            key: [item for item in value if frame_of(item) not in hidden] if isinstance(value, list) else value
            for key, value in self.input_data.items()
        }
        result = self.result
        if result is not None:
            outputs = tuple(
                each
                if each.inputs is None
                else each.model_copy(update={"inputs": tuple(name for name in each.inputs if name not in hidden)})
                for each in result.output_files
            )
            result = result.model_copy(update={"output_files": outputs})
        message = self.message
        for name in sorted(hidden, key=len, reverse=True):  # one may be the beginning of another
            message = message.replace(name, _SOME_FRAME)
        return self.model_copy(update={"input_data": shown, "result": result, "message": message})

    def after(self, report: OperationReport, *, now: datetime) -> Operation:
        """Return the operation as the report leaves it; the operation itself if the report is old news.

        A finished operation never changes, a report about another attempt changes nothing, and progress never
        falls: reports may come repeated and in any order. An operation of an earlier document store may have had the
        same number, but not the same correlation id.
        """
        if self.finished or (report.attempt, report.correlation_id) != (self.attempt, self.correlation_id):
            return self
        match report:
            case OperationSucceeded():
                return self._ended(OperationStatus.COMPLETED, "", now, progress=1.0, result=report.result)
            case OperationFailed():
                return self.failed(report.message, report.kind, now=now)
            case OperationCancelled():
                return self._ended(OperationStatus.CANCELLED, "", now)
            case _:
                return self._with(last_news_at=now, **self._news(report))

    def cancelled(self, *, now: datetime) -> Operation:
        """Return the operation as the user's wish to stop it leaves it."""
        return self._ended(OperationStatus.CANCELLED, "", now)

    def failed(self, message: str, kind: FailureKind, *, now: datetime) -> Operation:
        """Return the operation as a failure leaves it."""
        return self._ended(OperationStatus.FAILED, message, now, failure_kind=kind)

    def resolved(
        self, input_data: dict[str, JsonValue], request: OperationRequest | Draft, *, now: datetime
    ) -> Operation:
        """Return the operation with what is known of its inputs now; it starts, or waits for the rest."""
        status, message = first_state(request)
        return self._with(
            status=status,
            message=message,
            input_data=input_data,
            request=request,
            requested_at=now,
            last_news_at=now,
        )

    def retried(self, *, by: str, now: datetime) -> Operation:
        """Return the operation as a new attempt of the same request, with the rights of whoever tries again."""
        status, message = first_state(self.request)
        return self._with(
            owner=by,
            status=status,
            message=message,
            progress=0.0,
            attempt=self.attempt + 1,
            result=None,
            failure_kind=None,
            requested_at=now,
            started_at=None,
            finished_at=None,
            last_news_at=now,
        )

    def queued(self) -> Operation:
        """Return the operation as one that waits for its turn."""
        return self.model_copy(update={"status": OperationStatus.QUEUED})

    def called(self, *, now: datetime) -> Operation:
        """Return the operation as one whose turn it is."""
        return self._with(status=OperationStatus.PENDING, last_news_at=now)

    def heard_of(self, *, now: datetime) -> Operation:
        """Return the operation as if there had been news of it."""
        return self._with(last_news_at=now)

    @property
    def shown_message(self) -> str:
        """What users read beside the state."""
        return _CANCELLED if self.status is OperationStatus.CANCELLED else self.message

    def looks_like(self, other: Operation) -> bool:
        """Tell whether a client sees the same state."""
        return (self.status.shown, self.progress, self.message, self.attempt) == (
            other.status.shown,
            other.progress,
            other.message,
            other.attempt,
        )

    def _news(self, report: OperationStarted | OperationProgressed | OperationDelayed) -> dict[str, Any]:
        """Return what changes with news of an attempt that goes on, or waits for a server."""
        if isinstance(report, OperationDelayed):
            return {"message": f"{_DELAYED}{report.reason}"}
        # What was waited for is there.
        message = "" if self.message.startswith(_DELAYED) else self.message
        under_way = {"status": OperationStatus.IN_PROGRESS, "message": message}
        if isinstance(report, OperationStarted):
            return {**under_way, "started_at": self.started_at or report.occurred_at}
        if report.fraction < self.progress:
            return under_way
        return {**under_way, "progress": report.fraction, "message": report.message or message}

    def _ended(self, status: OperationStatus, message: str, now: datetime, **outcome: Any) -> Operation:
        return self._with(status=status, message=message, finished_at=now, last_news_at=now, **outcome)

    def _with(self, **changes: Any) -> Operation:
        """Return the operation changed: its next revision."""
        return self.model_copy(update={**changes, "revision": self.revision + 1})


def frame_of(item: Any) -> str | None:
    """Return the frame that an entry of an input names; None for an output, or what is no file."""
    if not isinstance(item, dict) or item.get("source") != InputSource.ARCHIVE:
        return None
    name = item.get("basename")
    return name if isinstance(name, str) else None


def first_state(request: OperationRequest | Draft) -> tuple[OperationStatus, str]:
    """Return status and message of an operation nobody has worked on yet."""
    if isinstance(request, Draft):
        return OperationStatus.WAITING, _waiting_for(request.parents)
    return OperationStatus.PENDING, ""


def _waiting_for(parents: Sequence[Parent]) -> str:
    named = ", ".join(map(str, parents[:_MOST_NAMED]))
    more = len(parents) - _MOST_NAMED
    return f"Waiting for {named} and {more} more" if more > 0 else f"Waiting for {named}"
