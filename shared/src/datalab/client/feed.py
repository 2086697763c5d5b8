"""A client of the websocket feed that loses nothing: it reconnects by itself and resumes where it was.

Example::

    async with FeedClient("ws://127.0.0.1:8000/api/feed", token=token) as feed:
        await feed.subscribe(sessions=[session_id])
        async for heard in feed:
            print(heard.sequence, heard.event.type)
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from datalab.client.credentials import credentials
from datalab.events.feed import FeedEvent, SessionDeleted, SessionFeedEvent, feed_event_adapter

_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 5.0
#: The server says something at least every 20 s; with this much silence the connection is dead.
_SILENCE_S: Final = 60.0
#: While events wait unread, the answer to a close frame is not seen.
_CLOSE_TIMEOUT_S: Final = 1.0
#: The token is not valid, or not any more: coming back cannot help.
_UNAUTHENTICATED: Final = 4401

_CONNECTION_LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError)


class FeedRefusedError(Exception):
    """The server accepts the token or the subscription not now, nor later."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One event of the feed."""

    sequence: int
    event: FeedEvent


@dataclass(frozen=True, slots=True)
class Missed:
    """Events from `first` to `last` are no longer stored: the present state has to be read by REST."""

    first: int
    last: int


class FeedClient:
    """Hears each event of its sessions and sites once, whatever happens to the connection.

    Iterating yields `Heard` and never ends by itself. `missed` holds the gaps there were, `gone` the sessions that a
    reconnection found deleted, `connections` how often a connection was made.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        link: str | None = None,
        on_pause: Callable[[str], None] = lambda _: None,
        on_return: Callable[[], None] = lambda: None,
    ) -> None:
        """A `link` opens a session of somebody else's.

        `on_pause` is told why there is no connection, each time one is tried in vain; `on_return` that there is.
        """
        self._on_pause = on_pause
        self._on_return = on_return
        self._url = url
        # Who shows nothing is refused at once, and not waited for.
        self._headers = credentials(token, link) or {"Authorization": "Token"}
        self._connection: ClientConnection | None = None
        self._sessions: set[int] = set()
        self._sites: set[str] = set()
        self._set_aside: deque[Heard] = deque()
        #: The newest event of each topic: what a replay for one topic repeats of another is not new.
        self._newest: dict[int | str, int] = {}
        self.epoch: str | None = None
        self.sequence: int | None = None
        self.missed: list[Missed] = []
        self.gone: set[int] = set()
        self.connections = 0

    async def __aenter__(self) -> Self:
        try:
            await self._connect()
        except _CONNECTION_LOST as error:
            await self._come_back(error)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()

    @property
    def connection(self) -> ClientConnection:
        """The present connection; a test may break it."""
        if self._connection is None:
            raise RuntimeError("enter the client first: `async with FeedClient(...)`")
        return self._connection

    async def subscribe(
        self, *, sessions: Collection[int] = (), sites: Collection[str] = (), after: tuple[str, int] | None = None
    ) -> None:
        """Hear these too: from now on, or from after a position (epoch, sequence) known from before.

        Raises `FeedRefusedError` if the server does not accept it, for example for somebody else's session.
        """
        self._sessions |= set(sessions)
        self._sites |= set(sites)
        if after is not None:
            self.epoch, self.sequence = after
        try:
            await self._ask(sessions, sites, resume=after is not None)
        except _CONNECTION_LOST as error:
            await self._come_back(error)
        while True:
            frame = await self._frame()
            # Of another session it may be said meanwhile that it is closed: that refuses nothing.
            if frame["type"] == "error" and not set(frame.get("sessions", sessions)).isdisjoint(sessions):
                self._sessions -= set(frame.get("sessions", ()))
                raise FeedRefusedError(frame["detail"])
            heard = self._take(frame)
            if heard is not None:
                self._set_aside.append(heard)
            if frame["type"] == "subscribed":
                return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Heard:
        if self._set_aside:
            return self._set_aside.popleft()
        while True:
            heard = self._take(await self._frame())
            if heard is not None:
                return heard

    # --- the connection ---------------------------------------------------------------------------------------

    async def _frame(self) -> dict[str, Any]:
        """Return the next frame, of this connection or of the next."""
        while True:
            try:
                return await self._receive()
            except _CONNECTION_LOST as error:
                await self._come_back(error)

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(_SILENCE_S):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def _come_back(self, error: Exception) -> None:
        """Connect and ask for everything again, from the last position on. Raises `FeedRefusedError`."""
        delay_s = _FIRST_RETRY_S
        while True:
            if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == _UNAUTHENTICATED:
                raise FeedRefusedError(error.rcvd.reason) from error
            if self._connection is not None:
                await self._connection.close()
            try:
                await self._connect()
                if self._sessions or self._sites:
                    await self._ask(self._sessions, self._sites, resume=self.sequence is not None)
            except _CONNECTION_LOST as again:
                error = again
                self._on_pause(str(again) or type(again).__name__)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _LONGEST_RETRY_S)
            else:
                self._on_return()
                return

    async def _connect(self) -> None:
        self._connection = await connect(
            self._url,
            additional_headers=self._headers,
            compression=None,
            max_size=None,
            proxy=None,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
        self.connections += 1
        await self._receive()  # the welcome; a refusal closes the connection instead

    async def _ask(self, sessions: Collection[int], sites: Collection[str], *, resume: bool) -> None:
        frame: dict[str, Any] = {"action": "subscribe", "sessions": sorted(sessions), "sites": sorted(sites)}
        if resume:
            frame["resume"] = {"epoch": self.epoch, "sequence": self.sequence}
        await self.connection.send(json.dumps(frame))

    # --- what the server says ---------------------------------------------------------------------------------

    def _take(self, frame: dict[str, Any]) -> Heard | None:
        """Note what the frame says; return the event in it, if it holds one that is new."""
        match frame["type"]:
            case "event":
                return self._heard(frame)
            case "subscribed":
                if frame["epoch"] != self.epoch:
                    self._newest.clear()
                self.epoch, self.sequence = frame["epoch"], frame["sequence"]
            case "gap":
                self.missed.append(Missed(frame["from"], frame["to"]))
            case "error" if "sessions" in frame:
                self.gone |= set(frame["sessions"])
                self._sessions -= self.gone
            case "error":
                raise FeedRefusedError(frame["detail"])
        return None

    def _heard(self, frame: dict[str, Any]) -> Heard | None:
        """Return the event in a frame, if it is new and of a type known here: servers may know more."""
        try:
            event = feed_event_adapter.validate_python(frame["event"])
        except ValidationError as error:
            if error.errors()[0]["type"] != "union_tag_invalid":
                raise
            self.sequence = frame["sequence"]
            return None
        return self._new(Heard(frame["sequence"], event))

    def _new(self, heard: Heard) -> Heard | None:
        self.sequence = heard.sequence
        event = heard.event
        topic = event.session_id if isinstance(event, SessionFeedEvent) else event.site
        if isinstance(event, SessionDeleted):
            self._sessions.discard(event.session_id)
        if heard.sequence <= self._newest.get(topic, 0):
            return None
        self._newest[topic] = heard.sequence
        return heard
