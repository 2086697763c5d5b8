"""The life of an operation, from the request to its outcome."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from datalab.events.envelope import Event, UtcDatetime, WireModel
from datalab.events.spelling import Spelled

Sha256Hex = Annotated[str, Spelled("[0-9a-f]{64}", "64 hexadecimal digits, small letters")]
OperationId = Annotated[int, Field(gt=0)]
Attempt = Annotated[int, Field(gt=0)]

#: An outcome with more data than this sends them as a file: a quarter of the largest message (deploy/nats/nats.conf).
MAX_INLINE_DATA_BYTES = 1_000_000
#: Forty times the largest data of the operations there are, the 10,000 stars of an HR diagram.
MAX_DATA_BYTES = 64 * 1024**2


class Lane(StrEnum):
    """Which queue an operation waits in, so that a second's work never waits behind an hour's."""

    FAST = "fast"
    SLOW = "slow"


class FailureKind(StrEnum):
    """Who has to act: the user, nobody (the world failed too often), the developers, or the operator."""

    USAGE = "usage"
    TRANSIENT = "transient"
    FATAL = "fatal"
    LIMIT = "limit"


class InputSource(StrEnum):
    """Where an input file comes from: an archive frame, or an output of an earlier operation."""

    ARCHIVE = "archive"
    DATALAB = "datalab"


class InputFile(WireModel):
    """One input file, resolved by the session API: the runner needs no database to find it."""

    source: InputSource
    basename: str = Field(min_length=1, max_length=256)
    key: str = Field(min_length=1, description="object key")
    sha256: Sha256Hex = Field(description="of the stored bytes; checked whenever the file is fetched")
    size_bytes: int = Field(gt=0)


class StoredFile(WireModel):
    """One object an operation made."""

    key: str = Field(min_length=1)
    sha256: Sha256Hex
    size_bytes: int = Field(ge=0)
    media_type: str


class OutputFile(WireModel):
    """One product of an operation, in one or more renderings. Clients see the renderings as signed links.

    `is_exposure` tells whether its pixels are those of one exposure, however corrected, so that it is measured as one.
    """

    basename: str
    type: Literal["fits", "image"]
    files: dict[Literal["fits", "large", "small", "tif"], StoredFile]
    inputs: tuple[str, ...] | None = Field(
        None, description="basenames of the input files it was made of, the image itself first; null stands for all"
    )
    filter_name: str | None = None
    observation_date: UtcDatetime | None = None
    target_name: str | None = None
    is_exposure: bool = True
    notes: tuple[str, ...] = Field((), description="what was left out, mended or doubtful, also of the input files")


class LinkedFile(WireModel):
    """A file that clients see as a signed link inside the data: at `output_data[item][field][name]`."""

    item: int = Field(ge=0)
    field: str = Field(min_length=1)
    name: str = Field(min_length=1)
    file: StoredFile


class OperationResult(WireModel):
    """What an operation made. The same result key always stands for the same result.

    Data of more than `MAX_INLINE_DATA_BYTES` as JSON are left out and stored as a JSON array in `output_data_file`.
    """

    result_key: Sha256Hex
    output_files: tuple[OutputFile, ...] = ()
    output_data: tuple[JsonValue, ...] = ()
    linked_files: tuple[LinkedFile, ...] = ()
    output_data_file: StoredFile | None = None


class OperationEvent(Event):
    """Anything said about one attempt of one operation."""

    operation_id: OperationId
    attempt: Attempt


class OperationRequested(OperationEvent):
    """Please compute this."""

    type: Literal["operation.requested.v1"] = "operation.requested.v1"
    session_id: int = Field(gt=0)
    operation: str = Field(min_length=1, max_length=100, description="the operation's name in the catalogue")
    lane: Lane
    parameters: dict[str, JsonValue] = Field(description="meaningful parameters only; files as {source, basename, ...}")
    input_files: tuple[InputFile, ...]

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.lane}"


class OperationCancelRequested(OperationEvent):
    """Please stop computing this, or do not begin."""

    type: Literal["operation.cancel_requested.v1"] = "operation.cancel_requested.v1"


class OperationStarted(OperationEvent):
    """A runner has begun. Not said of an attempt that ends at once."""

    type: Literal["operation.started.v1"] = "operation.started.v1"


class OperationProgressed(OperationEvent):
    """How far an attempt is. Losing one does no harm."""

    type: Literal["operation.progressed.v1"] = "operation.progressed.v1"
    fraction: float = Field(ge=0, le=1)
    message: str = Field("", max_length=1000)


class OperationDelayed(OperationEvent):
    """An attempt cannot go on at the moment, and will by itself: a server it needs is away."""

    type: Literal["operation.delayed.v1"] = "operation.delayed.v1"
    reason: str = Field(max_length=1000)


class OperationSucceeded(OperationEvent):
    """The result is stored, completely."""

    type: Literal["operation.succeeded.v1"] = "operation.succeeded.v1"
    result: OperationResult
    reused: bool = Field(description="an equal request had been computed before")
    compute_s: float = Field(ge=0, description="seconds spent computing; 0 when reused")


class OperationFailed(OperationEvent):
    """The attempt ended without a result."""

    type: Literal["operation.failed.v1"] = "operation.failed.v1"
    kind: FailureKind
    message: str = Field(description="for the user; no internals")


class OperationCancelled(OperationEvent):
    """The attempt was stopped on request."""

    type: Literal["operation.cancelled.v1"] = "operation.cancelled.v1"


#: What a runner says about an attempt.
OperationReport = Annotated[
    OperationStarted
    | OperationProgressed
    | OperationDelayed
    | OperationSucceeded
    | OperationFailed
    | OperationCancelled,
    Field(discriminator="type"),
]
