"""What to do with the messages of a durable consumer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from datalab.events.operations import FailureKind
from datalab.events.topology import Consumer

ContentT = TypeVar("ContentT")


class UnreadableMessageError(Exception):
    """The message is not one of ours; raised by a decoder, with the reason."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message could not be handled, in words for whoever asked."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(Generic[ContentT]):
    """What to do with the messages of one durable consumer.

    `decode` gets subject and body, and raises `pydantic.ValidationError` or `UnreadableMessageError` for what is not
    ours. `on_failure` says the outcome to whoever waits for it; without it, the message becomes a dead letter. With
    `keep_failed` it becomes one all the same, for an operator to look at.
    `concurrency` messages are in hand at once, each fetched by itself, so none waits behind another.
    """

    consumer: Consumer
    decode: Callable[[str, bytes], ContentT]
    handle: Callable[[ContentT], Awaitable[None]]
    on_failure: Callable[[ContentT, Failure], Awaitable[None]] | None = None
    keep_failed: bool = False
    concurrency: int = 1
