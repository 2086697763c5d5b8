"""How often a message was handed back without having been tried.

The server counts deliveries. An outage makes many of them, and none says anything about the work: what is counted
here is taken off, so that an operation outlasts an outage of any length, and one that kills its worker still ends.
"""

from __future__ import annotations

import nats.js.errors
from faststream.nats import NatsBroker

from datalab.events.topology import HAND_BACKS, Consumer
from datalab.platform.bus.errors import BUS_ERRORS
from datalab.platform.bus.streams import jetstream_of
from datalab.platform.logging import get_logger

_log = get_logger(__name__)


class HandBacks:
    """Counts, by consumer and message, in a key-value bucket."""

    def __init__(self, broker: NatsBroker) -> None:
        self._broker = broker

    async def count(self, consumer: Consumer, sequence: int) -> int | None:
        """Return how often a message was handed back; None if the server does not say."""
        stream, subject = f"KV_{HAND_BACKS.name}", _subject(consumer, sequence)
        try:
            kept = await jetstream_of(self._broker).get_last_msg(stream, subject)
        except nats.js.errors.NotFoundError:
            return 0
        except BUS_ERRORS:
            return None
        return int(kept.data or b"0")

    async def set(self, consumer: Consumer, sequence: int, count: int) -> None:
        """Keep the count. Should that fail, one delivery counts as a try that was none."""
        try:
            await jetstream_of(self._broker).publish(_subject(consumer, sequence), str(count).encode(), timeout=1.0)
        except BUS_ERRORS as error:
            _log.warning("bus.hand_back_not_counted", consumer=consumer.name, sequence=sequence, reason=str(error))


def _subject(consumer: Consumer, sequence: int) -> str:
    return f"$KV.{HAND_BACKS.name}.{consumer.name}.{sequence}"
