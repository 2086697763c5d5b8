"""Lets clients into the feed: admission, the token, and the token again and again while the connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from pydantic import ValidationError

from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from session_api.accounts.authentication import Authenticator
from session_api.feed.conversation import FeedConversation, first_to_end
from session_api.feed.hub import FeedHub
from session_api.feed.live import LiveStatuses
from session_api.feed.metrics import FeedMetrics
from session_api.feed.model import CloseCode, FeedChannel, FeedClosedError
from session_api.feed.places import Places
from session_api.feed.protocol import Authenticate, client_frame_adapter
from session_api.feed.settings import FeedSettings
from session_api.feed.waiting_room import WaitingRoom
from session_api.sessions.access import SessionAccess
from session_api.web.authentication import token_in_header
from session_api.web.failures import AuthenticationError
from session_api.web.user import NOBODY, User

_SIGN_IN_FIRST = 'send {"action":"authenticate","token":"..."} first'


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What a client has shown; one of them at least."""

    token: str | None = field(repr=False)
    link: str | None = field(repr=False)


class FeedAdmission:
    """Talks with clients."""

    def __init__(
        self,
        *,
        hub: FeedHub,
        live: LiveStatuses,
        authenticator: Authenticator,
        sessions: SessionAccess,
        settings: FeedSettings,
        metrics: FeedMetrics,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._hub = hub
        self._live = live
        self._authenticator = authenticator
        self._sessions = sessions
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._places = Places(total=settings.feed_max_clients, count=metrics.connected)
        self._waiting = WaitingRoom(
            places=settings.feed_max_waiting,
            places_per_address=settings.feed_max_waiting_per_address,
            time_limit_s=settings.feed_authentication_timeout_s,
        )

    async def converse(
        self, channel: FeedChannel, authorization: str | None, *, address: str, link: str | None = None
    ) -> NoReturn:
        """Talk with a client until one side ends it.

        `authorization` and `link` are what these headers of the handshake said, if it had them. `address` is where the
        client is: connections that do not say who they are have few places there.

        Raises `FeedClosedError` when the connection is to be closed with a code and a reason, `ClientGoneError` when
        the client has left.
        """
        try:
            shown = await self._credentials(channel, authorization, link, address)
            user = await self._user(shown)
            with self._places.place(address):
                await self._talk(channel, shown, user)
        except FeedClosedError as error:
            closing = error
        except AuthenticationError as error:
            closing = FeedClosedError(CloseCode.UNAUTHENTICATED, error.message)
        except TransientError as error:
            closing = FeedClosedError(CloseCode.TRY_AGAIN_LATER, error.message)
        self._metrics.closed(closing.code)
        raise closing

    async def _talk(self, channel: FeedChannel, shown: _Credentials, user: User) -> NoReturn:
        queue = self._hub.admit()
        try:
            conversation = FeedConversation(
                channel=channel,
                queue=queue,
                user=user,
                hub=self._hub,
                live=self._live,
                sessions=self._sessions,
                settings=self._settings,
                metrics=self._metrics,
                clock=self._clock,
            )
            await first_to_end(conversation.run(), self._keep_checking(shown, conversation))
        finally:
            self._live.remove(queue)
            self._hub.remove(queue)

    async def _user(self, shown: _Credentials) -> User:
        """Return who has this token, and may look at what this link opens. Raises `AuthenticationError`."""
        user = NOBODY if shown.token is None else await self._authenticator.authenticate(shown.token)
        if shown.link is None:
            return user
        return replace(user, link_hash=await self._sessions.open_link(shown.link))

    async def _credentials(
        self, channel: FeedChannel, authorization: str | None, link: str | None, address: str
    ) -> _Credentials:
        """Return what the headers show or, as browsers cannot set any, the first frame."""
        if authorization and authorization.lower().startswith("token"):
            return _Credentials(token_in_header(authorization), link)
        if link is not None:
            return _Credentials(None, link)
        try:
            async with self._waiting.place(address):
                frame = client_frame_adapter.validate_json(await channel.receive())
        except TimeoutError:
            raise AuthenticationError(f"no token in time: {_SIGN_IN_FIRST}") from None
        except ValidationError:
            raise AuthenticationError(_SIGN_IN_FIRST) from None
        if not isinstance(frame, Authenticate) or (frame.token is None and frame.link is None):
            raise AuthenticationError(_SIGN_IN_FIRST)
        return _Credentials(frame.token, frame.link)

    async def _keep_checking(self, shown: _Credentials, conversation: FeedConversation) -> NoReturn:
        """A connection lives long: what its user may see, or that there is a user at all, changes under it."""
        while True:
            await asyncio.sleep(self._settings.feed_token_check_s)
            try:
                conversation.look_again(await self._user(shown))
            except TransientError:
                continue  # the store is away; the last answer stands until it can be asked again
