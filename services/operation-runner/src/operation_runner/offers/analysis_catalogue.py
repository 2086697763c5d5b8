"""Tells which analysis actions this runner offers."""

from __future__ import annotations

from collections.abc import Sequence

from nats.js.kv import KeyValue

from datalab.errors import TransientError
from datalab.events.analysis import AnalysisDescribed
from datalab.platform.bus.errors import BUS_ERRORS


async def publish_analyses(bucket: KeyValue, descriptions: Sequence[AnalysisDescribed]) -> None:
    """Put every description into the bucket, under the action's name. Raises `TransientError`."""
    try:
        for description in descriptions:
            await bucket.put(description.action, description.encode())
    except BUS_ERRORS as error:
        raise TransientError(f"the analysis actions cannot be described: {error or type(error).__name__}") from error
