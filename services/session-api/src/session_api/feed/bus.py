"""News of the archive from the bus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from datalab.events.topology import FRAME_FEED
from datalab.platform.bus.consuming import Subscription
from session_api.context import Context
from session_api.feed.archive_news import ArchiveNews

_adapter: TypeAdapter[ArchiveNews] = TypeAdapter(Annotated[ArchiveNews, Field(discriminator="type")])


def subscription(context: Context) -> Subscription[ArchiveNews]:
    """Return what to do with the messages of `FRAME_FEED`."""
    return Subscription(
        consumer=FRAME_FEED,
        decode=lambda _subject, body: _adapter.validate_json(body),
        handle=context.frame_news.announce,
    )
