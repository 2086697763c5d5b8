"""The envelope every event travels in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self, get_args
from uuid import UUID, uuid4, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from datalab.events import site_codes
from datalab.events.spelling import Spelled

#: One token of a NATS subject: what may stand between two dots.
SubjectToken = Annotated[str, Spelled(site_codes.PATTERN, site_codes.RIGHT)]

#: The namespace of event ids derived from what the event says.
_EVENT_NAMESPACE = UUID("5d0a2f6c-3a57-4b0e-9c1e-6f4f0c8f7f10")


def _as_utc_milliseconds(moment: datetime) -> datetime:
    """MongoDB keeps milliseconds, so an event that went through it must still equal itself."""
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("this is before the year 1 or after the year 9999 in UTC") from None
    beyond = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - beyond) if beyond else moment


#: An instant in UTC, to the millisecond.
UtcDatetime = Annotated[AwareDatetime, AfterValidator(_as_utc_milliseconds)]


def utc_now() -> datetime:
    """Return the present instant in UTC, to the millisecond."""
    return _as_utc_milliseconds(datetime.now(UTC))


def new_id() -> str:
    """Return an identifier nobody can guess."""
    return str(uuid4())


def derived_id(*parts: object) -> str:
    """Return the identifier that the same parts always give, so that a replay publishes the same event again."""
    return str(uuid5(_EVENT_NAMESPACE, "\x1f".join(str(part) for part in parts)))


class WireModel(BaseModel):
    """Something that crosses a boundary: immutable; a reader ignores fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(WireModel):
    """A fact or a command, as sent. `event_id` goes along as `Nats-Msg-Id`, so the server drops repetitions."""

    type: str
    event_id: str = Field(default_factory=new_id, min_length=1, max_length=128)
    occurred_at: UtcDatetime = Field(default_factory=utc_now)
    correlation_id: str = Field(default_factory=new_id, min_length=1, max_length=128)
    producer: str = Field("unknown", max_length=128)

    @property
    def subject(self) -> str:
        """The NATS subject this event is published on."""
        return f"datalab.{self.type}"

    def encode(self) -> bytes:
        """Return the event as UTF-8 JSON; NaN and infinity, which JSON does not know, become null."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an event from JSON. Raises `pydantic.ValidationError` for anything else."""
        return cls.model_validate_json(body)

    @classmethod
    def type_name(cls) -> str:
        """Return the one value `type` has for this class, for example `operation.requested.v1`."""
        name: str
        (name,) = get_args(cls.model_fields["type"].annotation)
        return name
