"""A job for an observatory."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from secrets import randbits
from typing import Any, Final

import orjson
from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime
from datalab.events.feed import JobChanged
from session_api.web.bodies import JsonObject

#: Not asked for yet, and asked for: the two statuses of a job that are not its observatory's to say.
UNREAD: Final = "UNREAD"
RECEIVED: Final = "RECEIVED"
#: What became of jobs that nobody has asked for when all are called off.
CANCELLED: Final = "CANCELED"
#: The action that calls off what was asked before it.
CANCEL_ALL: Final = "cancel_all_commands"

#: Parameters of one job; what user interfaces send has a few hundred bytes.
LARGEST_PARAMETERS_BYTES: Final = 32 * 1024
LONGEST_TEXT: Final = 256

#: Crockford's base 32, which ULIDs are written in (https://github.com/ulid/spec).
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_BITS, _SEQUENCE_BITS, _RANDOM_BITS = 48, 40, 40


class JobQueue(StrEnum):
    """Each job is in both queues of its site, with a status in each; the value is the field that has it."""

    PRIMARY = "status"
    ALTERNATE = "alternate_status"

    @property
    def again_at(self) -> str:
        """The field that tells when a job that was handed out for a time is new again, if nobody speaks of it."""
        return f"{self.value}_again_at"


class Job(StoredDocument):
    """Something a user asks an observatory to do. Jobs of a site go by their `sequence`, and so do their ids.

    Parameters are kept as their JSON. `requested_by` is who asked, whatever name was sent.
    """

    ulid: str = Field(alias="_id")
    site: str
    sequence: int
    timestamp_ms: int
    device_type: str
    device_instance: str
    action: str
    user_name: str
    user_id: str
    user_roles: tuple[str, ...]
    optional_params: str
    required_params: str
    status: str = UNREAD
    status_again_at: UtcDatetime | None = None
    alternate_status: str = UNREAD
    alternate_status_again_at: UtcDatetime | None = None
    seconds_until_complete: float | None = None
    requested_by: str
    revision: int = 1
    expires_at: UtcDatetime

    def standing(self, queue: JobQueue) -> tuple[str, datetime | None]:
        """Return the status of the job in a queue, and when it is new again there, if ever."""
        return getattr(self, queue.value), getattr(self, queue.again_at)

    def spoken_of(self, queue: JobQueue, status: str, *, again_at: datetime | None = None, **more: Any) -> Job:
        """Return the job with another status in a queue; `again_at` is when it is new again, if ever."""
        changes = {queue.value: status, queue.again_at: again_at, "revision": self.revision + 1, **more}
        return self.model_copy(update=changes)

    def shown(self) -> JsonObject:
        """Return the job as clients know it."""
        seconds = self.seconds_until_complete
        known: JsonObject = {
            "site": self.site,
            "ulid": self.ulid,
            "statusId": f"{self.status}#{self.ulid}",
            "replicaStatusId": f"{self.alternate_status}#{self.ulid}",
            "user_name": self.user_name,
            "user_id": self.user_id,
            "user_roles": list(self.user_roles),
            "timestamp_ms": self.timestamp_ms,
            "deviceType": self.device_type,
            "deviceInstance": self.device_instance,
            "action": self.action,
            "optional_params": orjson.loads(self.optional_params),
            "required_params": orjson.loads(self.required_params),
        }
        if seconds is not None:
            known["secondsUntilComplete"] = int(seconds) if seconds == int(seconds) else seconds
        return known


def changed(job: Job) -> JobChanged:
    """Return what the feed is told of a job as it is now."""
    return JobChanged(producer="session-api", site=job.site, job=job.shown())


def new_ulid(timestamp_ms: int, sequence: int) -> str:
    """Return an id that sorts by the moment, and within one ms by the sequence."""
    value = timestamp_ms % 2**_TIME_BITS
    value = value << _SEQUENCE_BITS | sequence % 2**_SEQUENCE_BITS
    value = value << _RANDOM_BITS | randbits(_RANDOM_BITS)
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))
