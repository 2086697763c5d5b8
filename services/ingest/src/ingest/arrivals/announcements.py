"""Messages that say a file is stored: from an observatory, the session API, or the object store itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_plus

from pydantic import Field

from datalab.events.envelope import WireModel, derived_id
from datalab.events.frames import FileStored, FileUploaded
from datalab.events.topology import BUCKET_NOTIFICATIONS, FILES_UPLOADED, subject_matches
from datalab.platform.bus.consuming import UnreadableMessageError
from ingest.arrivals.model import Arrival, Origin

#: What S3 servers send once when notifications are switched on.
_TEST_EVENT = "s3:TestEvent"
_CREATED = "ObjectCreated:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedFiles:
    """The files one message tells of, perhaps none."""

    arrivals: tuple[Arrival, ...]
    correlation_id: str | None = None


class _Object(WireModel):
    key: str = Field(min_length=1, max_length=3 * 1024)  # URL-encoded: up to three characters for each byte
    e_tag: str = Field("", alias="eTag")
    sequencer: str = ""


class _Bucket(WireModel):
    name: str


class _S3(WireModel):
    bucket: _Bucket
    object: _Object


class _Record(WireModel):
    event_name: str = Field(alias="eventName")
    s3: _S3


class _BucketNotification(WireModel):
    """The message of MinIO, and of S3 behind it. Without `Records` only a test event is one."""

    records: tuple[_Record, ...] | None = Field(None, alias="Records")
    event_name: str | None = Field(None, alias="EventName")
    test_event: str | None = Field(None, alias="Event")


class AnnouncementReader:
    """Decodes the messages of the FILES stream for one bucket."""

    def __init__(self, *, bucket: str) -> None:
        self._bucket = bucket

    def decode(self, subject: str, body: bytes) -> AnnouncedFiles:
        """Return what a message says. Raises `ValidationError` or `UnreadableMessageError` for what is not ours."""
        if subject == BUCKET_NOTIFICATIONS:
            return self._notification(body)
        if subject_matches(FILES_UPLOADED, subject):
            uploaded = FileUploaded.decode(body)
            return AnnouncedFiles(arrivals=(_uploaded(uploaded),), correlation_id=uploaded.correlation_id)
        event = read_announcement(subject, body)
        return AnnouncedFiles(arrivals=(arrival_of(event),), correlation_id=event.correlation_id)

    def _notification(self, body: bytes) -> AnnouncedFiles:
        message = _BucketNotification.model_validate_json(body)
        if message.records is None:
            if _TEST_EVENT in {message.test_event, message.event_name}:
                return AnnouncedFiles(arrivals=())
            raise UnreadableMessageError("a bucket notification without Records")
        for record in message.records:
            if record.s3.bucket.name != self._bucket:
                raise UnreadableMessageError(f"bucket {record.s3.bucket.name!r} is not {self._bucket!r}, which is ours")
        return AnnouncedFiles(
            arrivals=tuple(
                _arrival(record.s3.object)
                for record in message.records
                if record.event_name.removeprefix("s3:").startswith(_CREATED)
            )
        )


def _uploaded(event: FileUploaded) -> Arrival:
    return Arrival(
        key=event.key,
        origin=Origin.UPLOAD,
        correlation_id=event.correlation_id,
        site=event.site,
        size_bytes=event.size_bytes,
        sha256=event.sha256,
        owner=event.owner,
        file_name=event.file_name,
    )


def _arrival(created: _Object) -> Arrival:
    """The size is left out: the object may have been replaced since, and what counts is what is there now."""
    key = unquote_plus(created.key)
    return Arrival(
        key=key,
        origin=Origin.OBJECT_STORE,
        correlation_id=derived_id("bucket-notification", key, created.e_tag, created.sequencer),
    )


def read_announcement(subject: str, body: bytes) -> FileStored:
    """Return what a site says. Raises `ValidationError` or `UnreadableMessageError` for what is no announcement."""
    event = FileStored.decode(body)
    if subject != event.subject:
        raise UnreadableMessageError(
            f"announces a file of site {event.site!r} on {subject!r}, not on {event.subject!r}"
        )
    return event


def arrival_of(event: FileStored) -> Arrival:
    """Return the file a site tells of."""
    return Arrival(
        key=event.key,
        origin=Origin.OBSERVATORY,
        correlation_id=event.correlation_id,
        site=event.site,
        size_bytes=event.size_bytes,
        sha256=event.sha256,
        channel=event.channel,
        said_at=event.occurred_at,
    )
