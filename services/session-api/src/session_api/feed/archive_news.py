"""Tells the feed what the archive says about frames and files."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from datalab.events.envelope import Event, derived_id
from datalab.events.feed import FileRefused, FrameChanged, FrameDeleted
from datalab.events.frames import FileRejected, FrameIngested, FrameRemoved

ArchiveNews: TypeAlias = FrameIngested | FrameRemoved | FileRejected


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


def feed_event(news: ArchiveNews, *, producer: str) -> FrameChanged | FrameDeleted | FileRefused:
    """Return the feed event for a piece of news; the same news always gives the same event."""
    envelope = {
        "event_id": derived_id("feed", news.event_id),
        "occurred_at": news.occurred_at,
        "correlation_id": news.correlation_id,
        "producer": producer,
        "site": news.site,
    }
    if isinstance(news, FileRejected):
        return FileRefused.model_validate({**envelope, "key": news.key, "reason": news.reason})
    if isinstance(news, FrameRemoved):
        return FrameDeleted.model_validate({**envelope, **news.model_dump(include=_REMOVAL_FIELDS)})
    visible = news.model_dump(include=_FRAME_FIELDS)
    return FrameChanged.model_validate({**envelope, **visible})


_FRAME_FIELDS = set(FrameChanged.model_fields) - set(Event.model_fields) - {"site"}
_REMOVAL_FIELDS = set(FrameDeleted.model_fields) - set(Event.model_fields) - {"site"}
