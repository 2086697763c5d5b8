"""The server's word that a message was delivered too often."""

from __future__ import annotations

from datalab.events.topology import UNDELIVERABLE
from datalab.platform.bus.consuming import Subscription
from session_api.context import Context
from session_api.operations.undeliverable import MaxDeliveriesAdvisory


def subscription(context: Context) -> Subscription[MaxDeliveriesAdvisory]:
    """Return what to do with the messages of `UNDELIVERABLE`."""
    return Subscription(
        consumer=UNDELIVERABLE,
        decode=lambda _subject, body: MaxDeliveriesAdvisory.model_validate_json(body),
        handle=context.undeliverable.take,
    )
