"""Files arriving and frames becoming known."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import Field, JsonValue, field_validator

from datalab.events.envelope import Event, SubjectToken, UtcDatetime, WireModel
from datalab.events.operations import FailureKind, Sha256Hex


class FileStored(Event):
    """A file is in the object store. An observatory publishes this on `observatory.<site>.image.new`.

    `site` and `key` are enough; what the observatory adds about size and checksum is checked. An info image that was
    not asked for over HTTP has a `channel`, too.
    """

    type: Literal["file.stored.v1"] = "file.stored.v1"
    site: SubjectToken
    key: str = Field(min_length=1, max_length=1024, description="object key, for example data/<file name>")
    size_bytes: int | None = Field(None, ge=0)
    sha256: Sha256Hex | None = None
    channel: int | None = Field(None, ge=1, le=3, description="on which channel an info image is to be shown")

    @property
    def subject(self) -> str:
        return f"observatory.{self.site}.image.new"


class FileUploaded(Event):
    """A file came in through the API and is in the object store. The session API publishes this.

    `site` is None when only the file's name can tell it. With an `owner`, the file is that user's own: it makes a frame
    of the user's, whatever the name says, which is `file_name` as the user calls it.
    """

    type: Literal["file.uploaded.v1"] = "file.uploaded.v1"
    key: str = Field(min_length=1, max_length=1024)
    size_bytes: int = Field(ge=0)
    sha256: Sha256Hex
    site: SubjectToken | None = None
    owner: str | None = Field(None, max_length=150)
    file_name: str | None = Field(None, max_length=255)

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.site or 'unknown'}"


def announced_subject(site: str) -> str:
    """Return where announcements of a site's own user arrive; within the site's account it is the event's subject."""
    return f"datalab.file.announced.v1.{site}"


class FrameIngested(Event):
    """A frame is known to the archive, or known better than before."""

    type: Literal["frame.ingested.v1"] = "frame.ingested.v1"
    site: SubjectToken
    frame_id: int = Field(gt=0)
    basename: str
    key: str = Field(description="the file that brought the news")
    roles: tuple[str, ...] = Field(description="every file the frame has now, for example fits_large, jpg_medium")
    observation_date: UtcDatetime | None = None
    filter_name: str | None = None
    target_name: str | None = None
    exposure_time_s: float | None = None
    public_date: UtcDatetime | None = Field(None, description="until then only the proposal's members may see it")
    proposal_id: str | None = None
    image_changed: bool = Field(
        default=False,
        description="whether who looks at the frame's image sees another than before; never while it has none",
    )

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.site}"


class FrameRemovalRequested(Event):
    """A frame is to go, with all its files. The session API publishes this once it knows that the caller may ask.

    It is the frame of this number that goes: one that came later under the same name stays.
    """

    type: Literal["frame.removal-requested.v1"] = "frame.removal-requested.v1"
    frame_id: int = Field(gt=0)
    basename: str = Field(min_length=1, max_length=256)
    requested_by: str = Field(max_length=150, description="username")


class RemovalCause(StrEnum):
    """Why a frame went: its kind is kept for some time only, or somebody who may has asked for it."""

    EXPIRED = "expired"
    REQUESTED = "requested"


class FrameRemoved(Event):
    """A frame is gone from the archive, with the objects that were its files."""

    type: Literal["frame.removed.v1"] = "frame.removed.v1"
    site: SubjectToken
    frame_id: int = Field(gt=0)
    basename: str
    cause: RemovalCause
    keys: tuple[str, ...] = Field(description="object keys of the files it had")
    public_date: UtcDatetime | None = Field(None, description="as it was: who could see the frame hears of this")
    proposal_id: str | None = None

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.site}"


class _FileTold(Event):
    """Something an observatory is told about its file."""

    site: SubjectToken
    key: str

    @field_validator("key")
    @classmethod
    def _printable(cls, key: str) -> str:
        """A key from outside may hold anything; keep what can be shown."""
        return "".join(character if character.isprintable() else "?" for character in key)[:1024]

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.site}"


class FileRejected(_FileTold):
    """A file cannot become part of a frame, and why."""

    type: Literal["file.rejected.v1"] = "file.rejected.v1"
    reason: str = Field(description="what is wrong, where, and what would be right")


class FileUnchanged(_FileTold):
    """An announced file changes nothing, and why: so that whoever announced it need not wait."""

    type: Literal["file.unchanged.v1"] = "file.unchanged.v1"
    reason: str


#: What a site is told of its files; each carries the `correlation_id` of the announcement it answers.
Verdict: TypeAlias = FrameIngested | FileRejected | FileUnchanged
VERDICTS: tuple[type[Verdict], ...] = (FrameIngested, FileRejected, FileUnchanged)


def verdict_subject(verdict: type[Event], site: str) -> str:
    """Return where a site is told a kind of verdict; `*` is every site."""
    return f"datalab.{verdict.type_name()}.{site}"


class FrameRecord(WireModel):
    """What an OCS ingester says of an exposure, beside its header. What it leaves out, the header may say.

    `area` are the corners of the image, right ascension and declination in degrees.
    """

    observation_date: UtcDatetime | None = None
    observation_day: str | None = None
    exposure_time_s: float | None = None
    filter_name: str | None = None
    target_name: str | None = None
    proposal_id: str | None = None
    observation_id: str | None = None
    request_id: str | None = None
    site_id: str | None = None
    telescope_id: str | None = None
    instrument_id: str | None = None
    reduction_level: int | None = None
    configuration_type: str | None = None
    public_date: UtcDatetime | None = None
    headers: dict[str, JsonValue] = Field(default_factory=dict)
    area: tuple[tuple[float, float], ...] | None = None


class FileRecordRequested(Event):
    """Please make this file part of its frame, and say which that is. Asked of ingest by the session API.

    The file is stored, whole and checked. With a `record` it is a frame's FITS file, without one a picture of a frame
    that is there already.
    """

    type: Literal["file.record_requested.v1"] = "file.record_requested.v1"
    site: SubjectToken
    basename: str = Field(min_length=1, max_length=256)
    role: str = Field(description="the file's place in its frame: fits, or that of a picture")
    extension: str = Field(description="what follows the base name in the name of the file, from its point on")
    key: str = Field(min_length=1, max_length=1024)
    size_bytes: int = Field(ge=0)
    sha256: Sha256Hex
    md5: str
    record: FrameRecord | None = None

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}"


class FileRecordAnswered(Event):
    """The answer, sent to the inbox the request names. `failure` and `message` say what went wrong, and for whom."""

    type: Literal["file.record_answered.v1"] = "file.record_answered.v1"
    frame_id: int | None = None
    failure: FailureKind | None = None
    message: str = ""
