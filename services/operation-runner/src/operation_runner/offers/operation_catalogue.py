"""Tells the catalogue which operations this runner offers."""

from __future__ import annotations

import nats.js.errors
from nats.js.kv import KeyValue
from pydantic import ValidationError

from datalab.errors import TransientError
from datalab.events.offers import OperationDescribed
from datalab.platform.bus.errors import BUS_ERRORS


async def publish_catalogue(bucket: KeyValue, descriptions: list[OperationDescribed]) -> None:
    """Put every description into the catalogue, unless a newer version of the operation is there.

    Raises `TransientError`.
    """
    try:
        for description in descriptions:
            if await _present_version(bucket, description.key) <= description.version:
                await bucket.put(description.key, description.encode())
    except BUS_ERRORS as error:
        raise TransientError(f"the catalogue cannot be written: {error or type(error).__name__}") from error


async def _present_version(bucket: KeyValue, key: str) -> int:
    try:
        entry = await bucket.get(key)
        return OperationDescribed.decode(entry.value or b"").version
    except (nats.js.errors.KeyNotFoundError, ValidationError):
        return 0
