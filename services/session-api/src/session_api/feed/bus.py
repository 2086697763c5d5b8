"""News of the archive from the bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import Field, TypeAdapter

from datalab.events.frames import VERDICTS, FileUnchanged, Verdict
from datalab.events.topology import FRAME_FEED
from datalab.platform.bus.consuming import Subscription
from session_api.feed.archive_news import ArchiveNews, ArchiveNewsPublisher

_adapter: TypeAdapter[ArchiveNews | FileUnchanged] = TypeAdapter(
    Annotated[ArchiveNews | FileUnchanged, Field(discriminator="type")]
)


def archive_news(
    publisher: ArchiveNewsPublisher, *, settle: Callable[[Verdict], Awaitable[None]]
) -> Subscription[ArchiveNews | FileUnchanged]:
    """Return what to do with the messages of `FRAME_FEED`: the feed is told, and `settle` hears the verdicts on files.

    One delivery for both: an exposure has three, and each costs a millisecond of processor time.
    """

    async def tell(news: ArchiveNews | FileUnchanged) -> None:
        if not isinstance(news, FileUnchanged):
            await publisher.publish(news)
        if isinstance(news, VERDICTS):
            await settle(news)

    return Subscription(consumer=FRAME_FEED, decode=lambda _subject, body: _adapter.validate_json(body), handle=tell)
