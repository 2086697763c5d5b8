"""Puts the feed together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datalab.events.frames import Verdict
from datalab.platform.assembly import Capability, Core
from session_api.accounts.authentication import Authenticator
from session_api.feed import bus, websocket
from session_api.feed.admission import FeedAdmission
from session_api.feed.archive_news import ArchiveNewsPublisher
from session_api.feed.datastream import Datastream
from session_api.feed.hub import FeedHub
from session_api.feed.live import LiveStatuses
from session_api.feed.metrics import FeedMetrics
from session_api.feed.settings import FeedSettings
from session_api.feed.stream import BusFeedStream
from session_api.sessions.access import SessionAccess


def build(
    core: Core,
    *,
    settings: FeedSettings,
    authenticator: Authenticator,
    sessions: SessionAccess,
    settle: Callable[[Verdict], Awaitable[None]],
) -> Capability:
    """Return the capability; `settle` hears what became of files, from the same messages as the feed."""
    metrics = FeedMetrics(core.registry)
    hub = FeedHub(stream=BusFeedStream(core.bus), settings=settings, metrics=metrics)
    live = LiveStatuses(core.bus)
    admission = FeedAdmission(
        hub=hub, live=live, authenticator=authenticator, sessions=sessions, settings=settings, metrics=metrics
    )
    return Capability(
        routes=websocket.router.routes,
        services=[admission, Datastream(hub=hub, live=live, settings=settings, metrics=metrics)],
        parts=[hub, live],
        subscriptions=[bus.archive_news(ArchiveNewsPublisher(publisher=core.bus), settle=settle)],
    )
