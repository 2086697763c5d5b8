"""What clients of the feed and the server say to each other, as JSON text frames. Described in docs/feed.md."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from datalab.events.envelope import SubjectToken

#: What JavaScript clients can count to exactly; it also fits the database's 64-bit integers.
_LARGEST_INTEGER = 2**53 - 1

SessionId = Annotated[int, Field(strict=True, gt=0, le=_LARGEST_INTEGER)]
Sequence = Annotated[int, Field(strict=True, ge=0, le=_LARGEST_INTEGER)]


class _ClientFrame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Authenticate(_ClientFrame):
    """For clients that cannot set a header on the handshake: browsers. A token, a link to a session, or both."""

    action: Literal["authenticate"]
    token: str | None = Field(None, min_length=1, max_length=512)
    link: str | None = Field(None, min_length=1, max_length=512)


class ResumePoint(_ClientFrame):
    """The last position the client knows."""

    epoch: str = Field(max_length=128)
    sequence: Sequence


class Subscribe(_ClientFrame):
    """Send me the events of these sessions and sites; with `resume`, first those I missed.

    `statuses` are sites of which I want to hear how they are, as often as they say it.
    """

    action: Literal["subscribe"]
    sessions: tuple[SessionId, ...] = ()
    sites: tuple[SubjectToken, ...] = ()
    statuses: tuple[SubjectToken, ...] = ()
    resume: ResumePoint | None = None


class Unsubscribe(_ClientFrame):
    """Send me no more events of these."""

    action: Literal["unsubscribe"]
    sessions: tuple[SessionId, ...] = ()
    sites: tuple[SubjectToken, ...] = ()
    statuses: tuple[SubjectToken, ...] = ()


class ClientPing(_ClientFrame):
    """A question whether the server is there."""

    action: Literal["ping"]
    id: str | int | None = None


ClientFrame: TypeAlias = Authenticate | Subscribe | Unsubscribe | ClientPing
client_frame_adapter: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Field(discriminator="action")])


class ServerFrame(BaseModel):
    """What the server says."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    def encode(self) -> str:
        """Return the frame as JSON; fields without a value are left out."""
        return self.model_dump_json(exclude_none=True)


class Welcome(ServerFrame):
    """The client is known; `sequence` is the newest event at this moment."""

    type: Literal["welcome"] = "welcome"
    epoch: str
    sequence: int
    user: str


class Subscribed(ServerFrame):
    """Everything the client is subscribed to now. The events that follow come after `sequence`."""

    type: Literal["subscribed"] = "subscribed"
    sessions: tuple[int, ...]
    sites: tuple[str, ...]
    statuses: tuple[str, ...] | None = None
    epoch: str
    sequence: int


class Unsubscribed(ServerFrame):
    """Everything the client is still subscribed to."""

    type: Literal["unsubscribed"] = "unsubscribed"
    sessions: tuple[int, ...]
    sites: tuple[str, ...]
    statuses: tuple[str, ...] | None = None


class Gap(ServerFrame):
    """Events the feed no longer has: the client has to read the present state by REST."""

    type: Literal["gap"] = "gap"
    first: int = Field(serialization_alias="from")
    last: int = Field(serialization_alias="to")
    detail: str


class Pong(ServerFrame):
    """The answer to a client's ping, with its id."""

    type: Literal["pong"] = "pong"
    id: str | int | None = None


class ServerPing(ServerFrame):
    """A sign of life when there is nothing else to say. Needs no answer."""

    type: Literal["ping"] = "ping"


class ErrorFrame(ServerFrame):
    """The last frame was not obeyed, or not wholly; the connection stays."""

    type: Literal["error"] = "error"
    detail: str
    sessions: tuple[int, ...] | None = None
