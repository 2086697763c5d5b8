"""Frames that are to go, as the bus tells of them."""

from __future__ import annotations

from datalab.events.frames import FrameRemovalRequested
from datalab.events.topology import FRAME_REMOVAL
from datalab.platform.bus.consuming import Subscription
from ingest.removal.service import FrameRemovals


def removal_subscription(removals: FrameRemovals) -> Subscription[FrameRemovalRequested]:
    """Return what to do with the messages of `FRAME_REMOVAL`."""
    return Subscription(
        consumer=FRAME_REMOVAL,
        decode=lambda _subject, body: FrameRemovalRequested.decode(body),
        handle=removals.remove,
    )
