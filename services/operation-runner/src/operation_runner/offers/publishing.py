"""Tells what this runner offers, in the buckets the session API reads."""

from __future__ import annotations

import nats.js.errors
from nats.js.kv import KeyValue
from pydantic import ValidationError

from datalab.events.offers import OperationDescribed
from datalab.events.topology import ANALYSIS_OFFERS, OPERATION_OFFERS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors
from operation_runner.offers.describer import Describer


class OfferPublisher:
    """Says once, at the start, what there is."""

    def __init__(self, *, bus: Bus, describer: Describer) -> None:
        self._bus = bus
        self._describer = describer

    async def start(self) -> None:
        """Put every description into its bucket, unless a newer version of an operation is there.

        Raises `TransientError`.
        """
        offer = self._describer.offer
        operations, analyses = await self._bus.key_value(OPERATION_OFFERS), await self._bus.key_value(ANALYSIS_OFFERS)
        with bus_errors("the offers cannot be written"):
            for operation in offer.operations:
                if await _present_version(operations, operation.key) <= operation.version:
                    await operations.put(operation.key, operation.encode())
            for analysis in offer.analyses:
                await analyses.put(analysis.action, analysis.encode())

    async def stop(self) -> None:
        """What is offered stays offered: other runners may be there, or this one again."""


async def _present_version(bucket: KeyValue, key: str) -> int:
    try:
        entry = await bucket.get(key)
        return OperationDescribed.decode(entry.value or b"").version
    except (nats.js.errors.KeyNotFoundError, ValidationError):
        return 0
