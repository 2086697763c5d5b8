"""Ends what would wait for ever: messages that were delivered as often as allowed without an answer."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from datalab.events.envelope import derived_id
from datalab.events.operations import FailureKind, OperationFailed, OperationRequested
from datalab.events.topology import CONSUMERS, RUNNERS, Consumer
from datalab.platform.bus.connection import Bus
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.operations.metrics import OperationMetrics
from session_api.operations.projector import OperationProjector

_log = get_logger(__name__)

_PUBLIC_TEXT = "The operation stopped its worker every time it was tried. Please try again with less data."


class MaxDeliveriesAdvisory(BaseModel):
    """What the NATS server says about a message it will not deliver again."""

    id: str
    timestamp: AwareDatetime
    stream: str
    consumer: str
    sequence: int = Field(alias="stream_seq")
    deliveries: int


class UndeliverableMessages:
    """Keeps each message among the dead letters, and ends the operation it asked for."""

    def __init__(self, *, bus: Bus, projector: OperationProjector, metrics: OperationMetrics) -> None:
        self._bus = bus
        self._projector = projector
        self._metrics = metrics

    async def take(self, advisory: MaxDeliveriesAdvisory) -> None:
        """Deal with one advisory. Consumers that are not ours are left to their owners."""
        consumer = _declared(advisory)
        if consumer is None:
            _log.warning("undeliverable.foreign_consumer", stream=advisory.stream, consumer=advisory.consumer)
            return
        message = await self._bus.stored_message(advisory.stream, advisory.sequence)
        if message is None:
            _log.warning("undeliverable.message_gone", stream=advisory.stream, sequence=advisory.sequence)
            return
        if consumer in RUNNERS.values():
            await self._end_operation(message.body, advisory.timestamp)
        reason = f"delivered {advisory.deliveries} times without an answer"
        await self._bus.bury(
            consumer, message.body, subject=consumer.filter_subjects[0], sequence=advisory.sequence, reason=reason
        )
        self._metrics.undeliverable(consumer.name)

    async def _end_operation(self, body: bytes, occurred_at: datetime) -> None:
        try:
            request = OperationRequested.decode(body)
        except ValidationError:
            return  # no operation of ours: runners bury what they cannot read
        await self._projector.apply(
            OperationFailed(
                event_id=derived_id("undeliverable", request.event_id),
                occurred_at=occurred_at,
                operation_id=request.operation_id,
                attempt=request.attempt,
                correlation_id=request.correlation_id,
                producer=SERVICE,
                kind=FailureKind.TRANSIENT,
                message=_PUBLIC_TEXT,
            )
        )


def _declared(advisory: MaxDeliveriesAdvisory) -> Consumer | None:
    named = (advisory.stream, advisory.consumer)
    return next((consumer for consumer in CONSUMERS if (consumer.stream, consumer.name) == named), None)
