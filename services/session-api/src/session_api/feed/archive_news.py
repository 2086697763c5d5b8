"""Tells the feed what the archive says about frames and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from datalab.events.envelope import Event, derived_id
from datalab.events.feed import FileRefused, FrameChanged, FrameDeleted, InfoImageChanged
from datalab.events.frames import FileRejected, FrameIngested, FrameRemoved
from datalab.events.site_images import InfoImageIngested

ArchiveNews: TypeAlias = FrameIngested | FrameRemoved | FileRejected | InfoImageIngested
_FeedEvent: TypeAlias = FrameChanged | FrameDeleted | FileRefused | InfoImageChanged
#: Which event of the feed tells of which news: what both have is said on.
_TOLD: Mapping[type[ArchiveNews], type[_FeedEvent]] = {
    FrameIngested: FrameChanged,
    FrameRemoved: FrameDeleted,
    FileRejected: FileRefused,
    InfoImageIngested: InfoImageChanged,
}


class EventPublisher(Protocol):
    """Stores events on the bus. Raises `TransientError`."""

    async def publish(self, event: Event) -> None: ...


class ArchiveNewsPublisher:
    """Publishes each piece of news once on the feed, however often it is delivered."""

    def __init__(self, *, publisher: EventPublisher, producer: str = "session-api") -> None:
        self._publisher = publisher
        self._producer = producer

    async def publish(self, news: ArchiveNews) -> None:
        """Publish what clients hear of it. Raises `TransientError`."""
        await self._publisher.publish(feed_event(news, producer=self._producer))


def feed_event(news: ArchiveNews, *, producer: str) -> _FeedEvent:
    """Return the feed event for a piece of news; the same news always gives the same event."""
    kind = _TOLD[type(news)]
    said = news.model_dump(include=set(kind.model_fields) - {"type"})
    return kind.model_validate({**said, "event_id": derived_id("feed", news.event_id), "producer": producer})
