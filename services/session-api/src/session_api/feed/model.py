"""The feed's rules: what a client may hear, where it continues, and why it is let go."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol

import orjson

from datalab.events.feed import (
    FeedEvent,
    FileRefused,
    FrameChanged,
    FrameDeleted,
    ItemEnqueued,
    OperationChanged,
    PublicSiteEvent,
    SessionFeedEvent,
    feed_event_adapter,
)
from datalab.events.site_status import SiteStatusChanged
from datalab.platform.bus.streams import StoredMessage, StreamPosition
from session_api.feed.topics import datastream_frame, datastream_text, status_data
from session_api.operations.model import OperationStatus
from session_api.web.user import User

_FINAL_TEXT = 0x81
_FAILED = OperationStatus.FAILED.shown


class CloseCode(IntEnum):
    """Why the server ends a connection. 4000 and up are ours to define (RFC 6455, section 7.4.2)."""

    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    UNAUTHENTICATED = 4401
    TOO_SLOW = 4408
    TOO_MANY_CLIENTS = 4429


class FeedClosedError(Exception):
    """The server ends the conversation."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ClientGoneError(Exception):
    """The client ended the conversation, or its connection is lost."""


class FeedChannel(Protocol):
    """The connection to one client. Both methods raise `ClientGoneError`."""

    async def receive(self) -> str | bytes: ...

    async def send(self, text: str, frame: bytes | None = None) -> None:
        """Return once the connection has taken the text; a client that does not read makes this wait.

        `frame` is the text as it goes out, for those who made it already.
        """


class FeedFollower(Protocol):
    """Hands over every new message, in order."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def resume(self) -> None: ...


class FeedStream(Protocol):
    """The stored feed. Whatever reaches for the server raises `TransientError`."""

    async def position(self) -> StreamPosition: ...

    def replay(self, *, after: int | datetime, subjects: Iterable[str]) -> AsyncGenerator[StoredMessage, None]:
        """Yield the stored messages on `subjects` after a sequence, or since a moment, in order, then end."""

    def follow(self, *, after: int, on_message: Callable[[StoredMessage], Awaitable[None]]) -> FeedFollower: ...


@dataclass(frozen=True)
class FeedItem:
    """One event, read once and shared by every client it goes to: `text` is what they get, `frame` how it is sent.

    `datastream` is the same for clients of the datastream, None for what they are not told.
    """

    sequence: int
    subject: str
    event: FeedEvent
    text: str
    frame: bytes
    size_bytes: int

    @classmethod
    def read(cls, message: StoredMessage) -> FeedItem:
        """Raises `pydantic.ValidationError` for what is not a feed event."""
        event = feed_event_adapter.validate_json(message.body)
        text = _event_text(message.sequence, message.body)
        return cls(message.sequence, message.subject, event, text, text_frame(text), len(message.body))

    def said_to(self, user: User) -> tuple[str, bytes]:
        """Return what a client gets, and how it is sent.

        Why an operation of somebody else failed is read by REST: the text may name frames that the client may not know.
        """
        event = self.event
        if isinstance(event, OperationChanged) and event.message and event.status == _FAILED:
            return (self.text, self.frame) if event.owner == user.username else self._without_message
        return self.text, self.frame

    @cached_property
    def _without_message(self) -> tuple[str, bytes]:
        text = _event_text(self.sequence, self.event.model_copy(update={"message": ""}).encode())
        return text, text_frame(text)

    @cached_property
    def datastream(self) -> tuple[str, bytes] | None:
        text = datastream_text(self.event)
        return None if text is None else (text, text_frame(text))


@dataclass(frozen=True)
class LiveStatus:
    """How one kind of a site's things is: read once, and shared by every client it goes to."""

    event: SiteStatusChanged

    @property
    def key(self) -> tuple[str, str]:
        """What a newer one replaces an older one by."""
        return self.event.site, self.event.kind

    @cached_property
    def for_feed(self) -> tuple[str, bytes]:
        return _text_and_frame({"type": "site_status", **status_data(self.event)})

    @cached_property
    def for_datastream(self) -> tuple[str, bytes]:
        return _text_and_frame(datastream_frame("sitestatus", self.event.site, status_data(self.event)))


def _event_text(sequence: int, body: bytes) -> str:
    return f'{{"type":"event","sequence":{sequence},"event":{body.decode()}}}'


def _text_and_frame(content: Mapping[str, Any]) -> tuple[str, bytes]:
    payload = orjson.dumps(content)
    return payload.decode(), _frame(payload)


def text_frame(text: str) -> bytes:
    """Return a text as a server sends it on a websocket: whole, unmasked, not compressed (RFC 6455, section 5.2)."""
    return _frame(text.encode())


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 2**16:
        return bytes((_FINAL_TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL_TEXT, 127)) + size.to_bytes(8, "big") + payload


def may_hear(user: User, event: FeedEvent, clock: Callable[[], datetime]) -> bool:
    """Tell whether an event of a site is for this user's ears, whatever the user has subscribed to."""
    if isinstance(event, SessionFeedEvent):
        return False  # who may look at the session has to be asked
    if isinstance(event, FrameChanged | FrameDeleted):
        return user.may_read(public_date=event.public_date, proposal_id=event.proposal_id, now=clock())
    if isinstance(event, ItemEnqueued):
        return user.may_speak_for(event.site)
    if isinstance(event, FileRefused):
        # A refused file has no frame yet to tell whose it is, and its name may give that away.
        return user.may_ingest(event.site)
    return isinstance(event, PublicSiteEvent)


def session_subject(session_id: int) -> str:
    """Return the subject on which the events of a session are published."""
    return f"datalab.feed.v1.session.{session_id}"


def site_subject(site: str) -> str:
    """Return the subject on which the events of a site are published."""
    return f"datalab.feed.v1.site.{site}"
