"""News of the archive from the bus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from datalab.events.topology import FRAME_FEED
from datalab.platform.bus.consuming import Subscription
from session_api.feed.archive_news import ArchiveNews, ArchiveNewsPublisher

_adapter: TypeAdapter[ArchiveNews] = TypeAdapter(Annotated[ArchiveNews, Field(discriminator="type")])


def archive_news(publisher: ArchiveNewsPublisher) -> Subscription[ArchiveNews]:
    """Return what to do with the messages of `FRAME_FEED`."""
    return Subscription(
        consumer=FRAME_FEED,
        decode=lambda _subject, body: _adapter.validate_json(body),
        handle=publisher.publish,
    )
