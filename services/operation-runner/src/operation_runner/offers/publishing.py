"""Tells the bus which operations and analysis actions this runner offers."""

from __future__ import annotations

import nats.js.errors
from nats.js.kv import KeyValue
from pydantic import ValidationError

from datalab.errors import TransientError
from datalab.events.catalogue import OperationDescribed
from datalab.platform.bus.errors import BUS_ERRORS
from operation_runner.offers.model import Offer


async def publish_offer(offer: Offer, *, catalogue: KeyValue, analyses: KeyValue) -> None:
    """Put every description into its bucket, unless a newer version of the operation is there.

    Raises `TransientError`.
    """
    try:
        for operation in offer.operations:
            if await _present_version(catalogue, operation.key) <= operation.version:
                await catalogue.put(operation.key, operation.encode())
        for analysis in offer.analyses:
            await analyses.put(analysis.action, analysis.encode())
    except BUS_ERRORS as error:
        raise TransientError(f"what is offered cannot be published: {error or type(error).__name__}") from error


async def _present_version(catalogue: KeyValue, key: str) -> int:
    try:
        entry = await catalogue.get(key)
        return OperationDescribed.decode(entry.value or b"").version
    except (nats.js.errors.KeyNotFoundError, ValidationError):
        return 0
