"""How sites are, handed on as they say it: nothing is stored, and of each kind only the newest waits for a client."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Protocol

from pydantic import ValidationError

from datalab.events.site_status import SiteStatusChanged
from datalab.events.topology import SITE_STATUSES
from datalab.platform.logging import get_logger
from session_api.feed.client_queue import ClientQueue
from session_api.feed.model import LiveStatus

_log = get_logger(__name__)


class Broadcasts(Protocol):
    """What is said to whoever is there. Raises `TransientError`."""

    async def listen(self, subject: str, on_message: Callable[[str, bytes], Awaitable[None]]) -> None: ...


class LiveStatuses:
    """Hands what is broadcast to the clients that listen to the site."""

    def __init__(self, bus: Broadcasts) -> None:
        self._bus = bus
        self._by_site: dict[str, set[ClientQueue]] = defaultdict(set)
        #: When the newest of each kind was taken in, of sites somebody listens to. Each process tells what it has
        #: stored, some later than others: what comes after a newer one is not how the site is.
        self._newest_ms: dict[str, dict[str, int]] = defaultdict(dict)

    async def start(self) -> None:
        """Hear every broadcast from now on, until the connection is closed. Raises `TransientError`."""
        for subject in SITE_STATUSES.subjects:
            await self._bus.listen(subject, self._hear)

    async def stop(self) -> None:
        self._by_site.clear()
        self._newest_ms.clear()

    def attach(self, queue: ClientQueue, site: str) -> None:
        """Put what this site says into the queue from now on."""
        self._by_site[site].add(queue)

    def detach(self, queue: ClientQueue, site: str) -> None:
        """Put no more of it there, and take out what waits."""
        self._by_site[site].discard(queue)
        if not self._by_site[site]:
            del self._by_site[site]
            self._newest_ms.pop(site, None)
        queue.drop_statuses(site)

    def remove(self, queue: ClientQueue) -> None:
        """Forget a client."""
        for site in [site for site, queues in self._by_site.items() if queue in queues]:
            self.detach(queue, site)

    async def _hear(self, subject: str, body: bytes) -> None:
        site = subject.rpartition(".")[2]
        queues = self._by_site.get(site)
        if not queues:  # reading what nobody here listens to would be most of the work
            return
        try:
            status = LiveStatus(SiteStatusChanged.decode(body))
        except ValidationError:
            _log.exception("feed.unreadable_status")
            return
        newest_ms, taken_in_ms = self._newest_ms[site], status.event.server_timestamp_ms
        if taken_in_ms < newest_ms.get(status.event.kind, taken_in_ms):
            return
        newest_ms[status.event.kind] = taken_in_ms
        for queue in queues:
            queue.offer_status(status)
