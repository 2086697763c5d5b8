"""Messages nobody could handle: found, understood, sent again or thrown away."""

from __future__ import annotations

import json
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from nats.js.errors import APIError

from datalab.errors import NotFoundError, UsageError
from datalab.events.envelope import derived_id
from datalab.events.topology import CONSUMERS, DEAD, RUNNERS, stream_for
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors
from datalab.platform.bus.streams import StoredMessage

#: When a request becomes a dead letter its operation has failed; what a runner would still say of it is ignored.
_REQUESTS: Final = frozenset(consumer.name for consumer in RUNNERS.values())
_SERVED_BY: Final = {consumer.name: consumer.description for consumer in CONSUMERS}

#: What to make of a reason, by the kind it begins with: see `consuming`.
_ADVICE: Final = {
    "unreadable": "It is not what this version reads, so it was not tried. Sent again as it is, it comes back; "
    "only another version of the service, or its sender, can help.",
    "usage": "What it asks for cannot work as things are. Send it again once what the reason names is mended.",
    "transient": "It was tried as often as is allowed. Send it again once what the reason names is there.",
    "fatal": "The service failed in a way nobody foresaw; its log says where. Send it again once that is mended.",
    "limit": "It needs more time or memory than it is allowed. Send it again once it is allowed more.",
}


class NotResendableError(UsageError):
    """The message cannot be published again where it came from; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message nobody could handle: who should have, where it was published, why not, and since when."""

    number: int
    consumer: str
    subject: str
    reason: str
    buried_at: datetime
    body: bytes

    @classmethod
    def read(cls, message: StoredMessage) -> Self:
        return cls(
            number=message.sequence,
            consumer=message.subject.rpartition(".")[2],
            subject=message.headers.get("Datalab-Subject", ""),
            reason=message.headers.get("Datalab-Reason", ""),
            buried_at=message.stored_at,
            body=message.body,
        )

    @property
    def served_by(self) -> str:
        """Who should have handled it, in words; empty for a consumer there is no more."""
        return _SERVED_BY.get(self.consumer, "")

    @property
    def resendable(self) -> bool:
        """Whether it may be published again."""
        return self._why_not_resendable() is None

    @property
    def advice(self) -> str:
        """What can be done about it; empty for a reason of a kind that is not known."""
        return self._why_not_resendable() or _ADVICE.get(self.reason.partition(":")[0], "")

    @property
    def text(self) -> str:
        """What it says; bytes that are no UTF-8 are replaced."""
        return self.body.decode(errors="replace")

    def demand_resendable(self) -> None:
        """Raise `NotResendableError` unless it may be published again."""
        why_not = self._why_not_resendable()
        if why_not is not None:
            raise NotResendableError(f"{self.number}: {why_not}")

    def _why_not_resendable(self) -> str | None:
        if self.consumer in _REQUESTS:
            return (
                "The operation of this request has failed, and only its owner can run it again: "
                f"`datalab ops retry {self._operation or 'OPERATION'}`"
            )
        try:
            stream_for(self.subject)
        except LookupError:
            return f"No stream takes messages on {self.subject!r}"
        return None

    @property
    def _operation(self) -> int | None:
        try:
            number = json.loads(self.body).get("operation_id")
        except (ValueError, AttributeError):
            return None
        return number if isinstance(number, int) else None


class DeadLetters:
    """The stream of dead letters. Every method raises `TransientError` when the bus is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def version(self) -> str:
        """Return an id that is another one whenever a letter came or went, at the cost of one small question."""
        position = await self._bus.stream_position(DEAD)
        return derived_id(position.epoch, position.last, position.messages)

    async def latest(self, most: int | None = None) -> list[DeadLetter]:
        """Return letters, the oldest first: all, or those among the last so many that were ever kept."""
        after = 0 if most is None else max(0, (await self._bus.stream_position(DEAD)).last - most)
        found: deque[DeadLetter] = deque(maxlen=most)
        async with aclosing(self._bus.replay(DEAD, after=after, filter_subjects=DEAD.subjects)) as messages:
            async for message in messages:
                found.append(DeadLetter.read(message))
        return list(found)

    async def find(self, number: int) -> DeadLetter:
        """Return one letter. Raises `NotFoundError`."""
        message = await self._bus.stored_message(DEAD.name, number)
        if message is None:
            raise NotFoundError(f"there is no dead letter {number}")
        return DeadLetter.read(message)

    async def requeue(self, number: int) -> DeadLetter:
        """Publish a message again where it came from; it is off the list once a stream has it. Return the letter.

        Raises `NotFoundError`, `NotResendableError`.
        """
        letter = await self.find(number)
        letter.demand_resendable()
        # Another id than it had: the stream drops what it knows. The same for each try: two at once send it once.
        epoch = (await self._bus.stream_position(DEAD)).epoch
        event_id = derived_id("requeued", epoch, number)
        await self._bus.publish_encoded(subject=letter.subject, body=letter.body, event_id=event_id)
        await self._delete(number)
        return letter

    async def discard(self, number: int) -> None:
        """Delete a letter. Raises `NotFoundError`."""
        await self.find(number)
        await self._delete(number)

    async def _delete(self, number: int) -> None:
        with bus_errors(f"dead letter {number} cannot be deleted"):
            try:
                await self._bus.jetstream.delete_msg(DEAD.name, number)
            except APIError:  # what there is not, the server refuses in several ways
                if await self._bus.stored_message(DEAD.name, number) is not None:
                    raise
