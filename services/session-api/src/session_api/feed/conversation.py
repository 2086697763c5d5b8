"""What is said with one client of the feed after its welcome.

One task listens; one task answers and sends, so that the order of what the client gets is the order of one program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

from pydantic import ValidationError

from datalab.errors import TransientError, explain_validation
from datalab.events.feed import SessionAccessChanged, SessionDeleted, SessionFeedEvent
from datalab.platform.tasks import end_tasks
from session_api.feed.client_queue import ClientQueue
from session_api.feed.hub import FeedHub
from session_api.feed.live import LiveStatuses
from session_api.feed.metrics import FeedMetrics
from session_api.feed.model import (
    CloseCode,
    FeedChannel,
    FeedClosedError,
    FeedItem,
    LiveStatus,
    may_hear,
    session_subject,
    site_subject,
)
from session_api.feed.outlet import Outlet
from session_api.feed.protocol import (
    Authenticate,
    ClientFrame,
    ClientPing,
    ErrorFrame,
    Gap,
    Pong,
    ResumePoint,
    ServerFrame,
    ServerPing,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Welcome,
    client_frame_adapter,
)
from session_api.feed.settings import FeedSettings
from session_api.operations.session_rights import Role
from session_api.sessions.access import SessionAccess
from session_api.web.user import User

#: The same answer for another user's session and for one that does not exist: neither can be guessed.
_NO_SUCH_SESSION = "No DataSession matches the given query."
_NO_LONGER_STORED = "these events are no longer stored: read the present state by REST"
#: Frames read ahead of the one being dealt with; more stay in the connection, which then slows the client down.
_MOST_FRAMES_WAITING = 8

_Request: TypeAlias = ClientFrame | ErrorFrame


class FeedConversation:
    """Sends one client the events it subscribed to: in order, each once, the stored ones before the new ones."""

    def __init__(
        self,
        *,
        channel: FeedChannel,
        queue: ClientQueue,
        user: User,
        hub: FeedHub,
        live: LiveStatuses,
        sessions: SessionAccess,
        settings: FeedSettings,
        metrics: FeedMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self.user = user
        self._channel = channel
        self._outlet = Outlet(channel, time_limit_s=settings.feed_send_timeout_s)
        self._queue = queue
        self._hub = hub
        self._live = live
        self._sessions = sessions
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._requests: asyncio.Queue[_Request] = asyncio.Queue(_MOST_FRAMES_WAITING)
        self._session_ids: set[int] = set()
        #: Those of them that are the user's own: nobody takes these away unheard.
        self._own: set[int] = set()
        self._to_look_again = False
        self._sites: set[str] = set()
        self._statuses: set[str] = set()
        #: Up to here nothing is missing on any subscribed subject.
        self._complete_to = hub.sequence
        self._last_sent = hub.sequence

    def look_again(self, user: User) -> None:
        """Go on for a user as they stand now, and look whether what others share with them is still shared."""
        self.user = user
        self._to_look_again = True
        self._queue.wake.set()

    async def run(self) -> NoReturn:
        """Talk until one side ends it. Raises `FeedClosedError`, `ClientGoneError`, or `TransientError`."""
        try:
            await first_to_end(
                self._listen(),
                self._speak(),
                self._wait_for_the_end(),
                self._outlet.watch(),
                self._watch_for_silence(),
            )
        except FeedClosedError as closing:
            if closing.code is not CloseCode.TOO_SLOW:
                raise
            raise FeedClosedError(
                closing.code, f"{closing.reason}; resume from sequence {self._last_sent}"
            ) from closing

    async def _listen(self) -> NoReturn:
        while True:
            text = await self._channel.receive()
            try:
                request: _Request = client_frame_adapter.validate_json(text)
            except ValidationError as error:
                request = ErrorFrame(detail=f"unknown or malformed frame: {explain_validation(error)}")
            await self._requests.put(request)
            self._queue.wake.set()

    async def _speak(self) -> NoReturn:
        await self._send(Welcome(epoch=self._hub.epoch, sequence=self._hub.sequence, user=self.user.username))
        while True:
            if self._to_look_again:
                self._to_look_again = False
                await self._leave_what_is_closed()
            while self._queue.has_work or not self._requests.empty():
                await self._recover()
                if not self._requests.empty():
                    await self._do(self._requests.get_nowait())
                elif not await self._deliver(self._queue.pop()):
                    await self._deliver_status(self._queue.pop_status())
            if self._silence_left_s() <= 0:
                await self._send(ServerPing())
            else:
                self._queue.wake.clear()
                await self._queue.wake.wait()

    async def _wait_for_the_end(self) -> NoReturn:
        raise await self._queue.ended()

    async def _watch_for_silence(self) -> NoReturn:
        """A timeout for each wait would be a fifth of the work of sending an event."""
        while True:
            left_s = self._silence_left_s()
            if left_s <= 0:
                self._queue.wake.set()
            await asyncio.sleep(left_s if left_s > 0 else self._settings.feed_ping_interval_s)

    def _silence_left_s(self) -> float:
        """Return how long nothing need be said yet."""
        silent_s = asyncio.get_running_loop().time() - self._outlet.spoke_at
        return self._settings.feed_ping_interval_s - silent_s

    # --- what clients ask for ---------------------------------------------------------------------------------

    async def _do(self, request: _Request) -> None:
        match request:
            case Subscribe():
                await self._subscribe(request)
            case Unsubscribe():
                await self._unsubscribe(request)
            case ClientPing():
                await self._send(Pong(id=request.id))
            case Authenticate():
                await self._send(ErrorFrame(detail="already authenticated"))
            case ErrorFrame():
                await self._send(request)

    async def _subscribe(self, request: Subscribe) -> None:
        sessions, sites = set(request.sessions), set(request.sites)
        statuses = set(request.statuses)
        if problem := self._problem(sessions, sites, statuses):
            await self._send(ErrorFrame(detail=problem))
            return
        for site in statuses - self._statuses:
            self._live.attach(self._queue, site)
        self._statuses |= statuses
        unknown = sessions - self._session_ids
        roles = await self._sessions.roles(self.user, unknown) if unknown else {}
        if refused := unknown - roles.keys():
            await self._send(ErrorFrame(detail=_NO_SUCH_SESSION, sessions=tuple(sorted(refused))))
        if sites or statuses or sessions - refused:
            self._own |= {number for number, role in roles.items() if role is Role.OWNER}
            await self._attach(sessions=unknown & roles.keys(), sites=sites - self._sites, resume=request.resume)

    def _problem(self, sessions: set[int], sites: set[str], statuses: set[str]) -> str | None:
        if not (sessions or sites or statuses):
            return "name at least one session or site"
        if len(sessions | self._session_ids) > self._settings.feed_max_sessions:
            return f"at most {self._settings.feed_max_sessions} sessions on one connection"
        if max(len(sites | self._sites), len(statuses | self._statuses)) > self._settings.feed_max_sites:
            return f"at most {self._settings.feed_max_sites} sites on one connection"
        return None

    async def _attach(self, *, sessions: set[int], sites: set[str], resume: ResumePoint | None) -> None:
        """Listen first, then read the stored feed up to that moment: nothing falls between the two, nor comes twice."""
        subjects = (*map(session_subject, sessions), *map(site_subject, sites))
        start, gap = await self._starting_point(resume if subjects else None)
        if start is not None:
            await self._hub.reached(start)
        former = tuple(self._queue.floors)
        attached_at = self._hub.attach(self._queue, subjects, after=start)
        self._session_ids |= sessions
        self._sites |= sites
        await self._deliver_up_to(attached_at, former)
        self._last_sent = attached_at if start is None else start
        await self._send(
            Subscribed(
                sessions=tuple(sorted(self._session_ids)),
                sites=tuple(sorted(self._sites)),
                statuses=self._subscribed_statuses(),
                epoch=self._hub.epoch,
                sequence=self._last_sent,
            )
        )
        if gap is not None:
            await self._send(gap)
        if start is not None:
            self._queue.begin_catching_up()
            await self._send_stored(subjects, after=start, up_to=attached_at)

    async def _starting_point(self, resume: ResumePoint | None) -> tuple[int | None, Gap | None]:
        """Return the sequence to send stored events after, if any, and which ones cannot be sent."""
        if resume is None:
            return None, None
        position = await self._hub.position()
        if resume.epoch != position.epoch or resume.sequence > position.last:
            # A position in some other stream tells nothing about this one: everything until now may be news.
            return position.last, Gap(first=1, last=position.last, detail=_NO_LONGER_STORED)
        if resume.sequence + 1 < position.first:
            last = position.first - 1
            return last, Gap(first=resume.sequence + 1, last=last, detail=_NO_LONGER_STORED)
        return resume.sequence, None

    async def _unsubscribe(self, request: Unsubscribe) -> None:
        self._session_ids -= set(request.sessions)
        self._own -= set(request.sessions)
        self._sites -= set(request.sites)
        self._hub.detach(self._queue, map(session_subject, request.sessions))
        self._hub.detach(self._queue, map(site_subject, request.sites))
        for site in self._statuses & set(request.statuses):
            self._live.detach(self._queue, site)
        self._statuses -= set(request.statuses)
        await self._send(
            Unsubscribed(
                sessions=tuple(sorted(self._session_ids)),
                sites=tuple(sorted(self._sites)),
                statuses=self._subscribed_statuses(),
            )
        )

    def _subscribed_statuses(self) -> tuple[str, ...] | None:
        """Clients that know nothing of statuses are told nothing of them."""
        return tuple(sorted(self._statuses)) or None

    # --- events -----------------------------------------------------------------------------------------------

    async def _deliver_up_to(self, sequence: int, subjects: Iterable[str]) -> None:
        """Send everything on these subjects up to a sequence the hub has passed."""
        while await self._deliver(self._queue.pop(up_to=sequence)):
            pass
        if self._queue.lost:
            await self._send_stored(subjects, after=self._complete_to, up_to=sequence)
        self._complete_to = max(self._complete_to, sequence)

    async def _recover(self) -> None:
        """Read what the queue had to forget."""
        while self._queue.lost:
            self._queue.recover()
            up_to = self._hub.sequence
            await self._send_stored(tuple(self._queue.floors), after=self._complete_to, up_to=up_to)
            self._complete_to = up_to

    async def _send_stored(self, subjects: Iterable[str], *, after: int, up_to: int) -> None:
        subjects = tuple(subjects)
        while subjects and after < up_to:
            page = await self._hub.read(subjects, after=after, up_to=up_to)
            for item in page.items:
                await self._send_event(item, replayed=True)
            after = page.complete_to

    async def _deliver(self, item: FeedItem | None) -> bool:
        """Send what came out of the queue; tell whether anything did."""
        if item is None:
            return False
        await self._send_event(item, replayed=False)
        self._complete_to = item.sequence
        return True

    async def _deliver_status(self, status: LiveStatus | None) -> None:
        if status is not None:
            await self._outlet.send(*status.for_feed)
            self._metrics.sent(replayed=False)

    async def _send_event(self, item: FeedItem, *, replayed: bool) -> None:
        floor = self._queue.floors.get(item.subject)
        if floor is None or item.sequence <= floor or not await self._may_hear(item):
            return
        await self._outlet.send(*item.said_to(self.user))
        self._last_sent = item.sequence
        self._metrics.sent(replayed=replayed)
        if isinstance(item.event, SessionDeleted):
            self._forget(item.event.session_id)

    async def _may_hear(self, item: FeedItem) -> bool:
        """Tell whether an event is for the client.

        Of sessions that others share it is asked for each: who may look at one is never remembered, and the news of a
        change may come late. A client that may no longer is told that there is no such session.
        """
        event = item.event
        if not isinstance(event, SessionFeedEvent):
            return may_hear(self.user, event, self._clock)
        number = event.session_id
        if number in self._own and not isinstance(event, SessionAccessChanged):
            return True
        roles = await self._sessions.roles(self.user, [number], also_deleted=True)
        self._own.discard(number)
        if roles.get(number) is Role.OWNER:
            self._own.add(number)
        if number not in roles:
            await self._leave({number})
        return number in roles

    async def _leave_what_is_closed(self) -> None:
        shared = self._session_ids - self._own
        try:
            roles = await self._sessions.roles(self.user, shared, also_deleted=True) if shared else {}
        except TransientError:
            return  # it is asked for each event besides
        if closed := shared - roles.keys():
            await self._leave(closed)

    async def _leave(self, sessions: AbstractSet[int]) -> None:
        """Be no longer subscribed to sessions that the client may not look at any more, and say so."""
        for number in sessions:
            self._forget(number)
        await self._send(ErrorFrame(detail=_NO_SUCH_SESSION, sessions=tuple(sorted(sessions))))

    def _forget(self, number: int) -> None:
        self._session_ids.discard(number)
        self._own.discard(number)
        self._hub.detach(self._queue, (session_subject(number),))

    async def _send(self, frame: ServerFrame) -> None:
        await self._outlet.send(frame.encode())


async def first_to_end(*conversations: Coroutine[Any, Any, NoReturn]) -> NoReturn:
    """Run side by side what only an exception ends; raise the first one's, after the others are cancelled."""
    tasks = [asyncio.create_task(conversation) for conversation in conversations]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(*tasks)
    raise next(error for task in tasks if task in done and (error := task.exception()))
