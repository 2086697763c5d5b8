"""Publishing that is acknowledged: once a call returns, a stream has the message."""

from __future__ import annotations

from faststream.nats import NatsBroker, PubAck

from datalab.events.envelope import Event
from datalab.events.topology import Consumer, dead_letter_subject, stream_for
from datalab.platform.bus.errors import bus_errors
from datalab.platform.logging import get_logger
from datalab.platform.metrics import BusMetrics

_log = get_logger(__name__)

_PUBLISH_TIMEOUT_S = 2.0  # a publish lost with its connection is repeated, under the same id, after this


class Publisher:
    """Publishes into the declared streams. Every method raises `TransientError` if the server does not acknowledge."""

    def __init__(self, *, broker: NatsBroker, metrics: BusMetrics) -> None:
        self._broker = broker
        self._metrics = metrics

    async def publish(self, event: Event) -> None:
        """Publish an event."""
        await self.publish_acknowledged(event)

    async def publish_acknowledged(self, event: Event) -> PubAck:
        """Publish an event; return where it is stored."""
        return await self.publish_encoded(subject=event.subject, body=event.encode(), event_id=event.event_id)

    async def publish_encoded(
        self, *, subject: str, body: bytes, event_id: str, headers: dict[str, str] | None = None
    ) -> PubAck:
        """Publish a body that was encoded before, for example into an outbox; return where it is stored."""
        stream = stream_for(subject).name
        with bus_errors(f"publishing on {subject} failed"):
            acknowledgement: PubAck = await self._broker.publish(
                body,
                subject,
                stream=stream,
                headers={"Nats-Msg-Id": event_id, **(headers or {})},
                timeout=_PUBLISH_TIMEOUT_S,
            )
        self._metrics.published(stream, duplicate=bool(acknowledgement.duplicate))
        return acknowledgement

    async def bury(
        self, consumer: Consumer, body: bytes, *, subject: str, sequence: int, reason: str, refused: bool = False
    ) -> None:
        """Keep a message nobody could handle among the dead letters, with the reason.

        One that was `refused` is its sender's business, and counted apart: it calls no operator.
        """
        described = {"consumer": consumer.name, "subject": subject, "sequence": sequence, "reason": reason}
        if refused:
            _log.warning("bus.refused", **described)
        else:
            _log.error("bus.dead_letter", **described)
        await self.publish_encoded(
            subject=dead_letter_subject(consumer),
            body=body,
            event_id=f"dead-{consumer.name}-{consumer.stream}-{sequence}",
            headers={
                "Datalab-Reason": _header_text(reason),
                "Datalab-Subject": subject,
                "Datalab-Stream": consumer.stream,
                "Datalab-Sequence": str(sequence),
            },
        )
        if refused:
            self._metrics.refusal(consumer.name)
        else:
            self._metrics.dead_letter(consumer.name)


def _header_text(text: str) -> str:
    """NATS headers are single lines of ASCII."""
    return text.encode("ascii", "replace").decode().replace("\r", " ").replace("\n", " ")[:1000]
