"""Frames that went, as ingest tells of them."""

from __future__ import annotations

from datalab.events.frames import FrameRemoved
from datalab.events.topology import REMOVED_FRAMES
from datalab.platform.bus.consuming import Subscription
from session_api.uploads.personal.service import PersonalUploadService
from session_api.uploads.versions import Versions


def removed_frames(*, versions: Versions, personal: PersonalUploadService) -> Subscription[FrameRemoved]:
    """Return what to do with the messages of `REMOVED_FRAMES`."""

    async def forget(removed: FrameRemoved) -> None:
        await versions.forget(removed.keys, before=removed.occurred_at)
        await personal.forget_removed(removed.keys)

    return Subscription(
        consumer=REMOVED_FRAMES,
        decode=lambda _subject, body: FrameRemoved.decode(body),
        handle=forget,
    )
