"""The datastream: a websocket without a token that tells of a site, as Photon Ranch's datastreamer does.

It tells everybody what everybody may see. Clients listen to one site, and may choose another; whatever else they say is
not heard.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NoReturn

from pydantic import BaseModel, TypeAdapter, ValidationError

from datalab.errors import TransientError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import SubjectToken, utc_now
from session_api.feed.client_queue import ClientQueue
from session_api.feed.conversation import first_to_end
from session_api.feed.hub import FeedHub
from session_api.feed.live import LiveStatuses
from session_api.feed.metrics import FeedMetrics
from session_api.feed.model import CloseCode, FeedChannel, FeedClosedError, FeedItem, may_hear, site_subject
from session_api.feed.outlet import Outlet
from session_api.feed.places import Places
from session_api.feed.settings import FeedSettings
from session_api.web.user import NOBODY

#: Longer ago than a connection is lost for; who was away longer reads the latest images.
_LONGEST_AGO: Final = timedelta(hours=1)

_site_adapter: TypeAdapter[str] = TypeAdapter(SubjectToken)


class _ChangeSite(BaseModel):
    """The one thing a client says."""

    action: Literal["updatesubscribersite"]
    site: SubjectToken


class Datastream:
    """Tells clients of one site each."""

    def __init__(
        self,
        *,
        hub: FeedHub,
        live: LiveStatuses,
        settings: FeedSettings,
        metrics: FeedMetrics,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._hub = hub
        self._live = live
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._places = Places(
            total=settings.datastream_max_clients,
            per_address=settings.datastream_max_per_address,
            count=metrics.listening,
        )

    def place(self, address: str) -> AbstractContextManager[None]:
        """Hold a place for a connection from an address for the block. Raises `FeedClosedError` if there is none."""
        return self._places.place(address)

    async def tell(self, channel: FeedChannel, *, site: str, since: datetime | None = None) -> NoReturn:
        """Tell a client of what happens from now on, at this site or at those it chooses later, until one side ends it.

        With `since`, first of what has happened at this site from that moment on, which is an hour ago at the most.
        Raises `FeedClosedError` when the connection is to be closed, `ClientGoneError` when the client has left.
        """
        queue = self._hub.admit()
        attached_at = self._hub.attach(queue, (site_subject(site),))
        self._live.attach(queue, site)
        outlet = Outlet(channel, time_limit_s=self._settings.feed_send_timeout_s)
        missed = None if since is None else max(since, self._clock() - _LONGEST_AGO)
        try:
            await first_to_end(
                self._listen(channel, queue),
                self._speak(outlet, queue, site_subject(site), since=missed, up_to=attached_at),
                outlet.watch(),
                _wait_for_the_end(queue),
            )
        except FeedClosedError as error:
            closing = error
        except TransientError as error:
            closing = FeedClosedError(CloseCode.TRY_AGAIN_LATER, error.message)
        finally:
            self._live.remove(queue)
            self._hub.remove(queue)
        self._metrics.closed(closing.code)
        raise closing

    async def _listen(self, channel: FeedChannel, queue: ClientQueue) -> NoReturn:
        while True:
            try:
                wanted = _ChangeSite.model_validate_json(await channel.receive())
            except ValidationError:
                continue
            subject = site_subject(wanted.site)
            if subject not in queue.floors:
                self._hub.detach(queue, tuple(queue.floors))
                self._live.remove(queue)
                self._hub.attach(queue, (subject,))
                self._live.attach(queue, wanted.site)

    async def _speak(
        self, outlet: Outlet, queue: ClientQueue, subject: str, *, since: datetime | None, up_to: int
    ) -> NoReturn:
        after: datetime | int | None = since
        while after is not None and subject in queue.floors:
            page = await self._hub.read((subject,), after=after, up_to=up_to)
            for item in page.items:
                await self._say(outlet, item, replayed=True)
            after = page.complete_to if page.complete_to < up_to else None
        while True:
            while queue.has_work:
                if (new := queue.pop()) is not None:
                    await self._say(outlet, new, replayed=False)
                elif (status := queue.pop_status()) is not None:
                    await outlet.send(*status.for_datastream)
                    self._metrics.sent(replayed=False)
            queue.wake.clear()
            await queue.wake.wait()

    async def _say(self, outlet: Outlet, item: FeedItem, *, replayed: bool) -> None:
        if item.datastream is not None and may_hear(NOBODY, item.event, self._clock):
            await outlet.send(*item.datastream)
            self._metrics.sent(replayed=replayed)


def wanted_site(text: str | None) -> str:
    """Return the site a client names. Raises `UsageError`."""
    try:
        return _site_adapter.validate_python(text)
    except ValidationError:
        raise UsageError(f"The query has to name a site: ?site= and {site_codes.RIGHT}.") from None


def wanted_since(text: str | None) -> datetime | None:
    """Return the moment a client names in seconds since 1970, None if it names none. Raises `UsageError`."""
    if not text:
        return None
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError("since= is a moment, in seconds since 1970.") from None


async def _wait_for_the_end(queue: ClientQueue) -> NoReturn:
    raise await queue.ended()
