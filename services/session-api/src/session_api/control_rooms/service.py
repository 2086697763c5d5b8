"""Control rooms: one for each site, however many ask for it at once, made anew once a day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from datalab.errors import TransientError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import utc_now
from datalab.platform.logging import get_logger
from session_api.control_rooms.model import ControlRoom, Room, is_site, restart_slots
from session_api.control_rooms.ports import ProviderError, Resolution, RoomProvider
from session_api.control_rooms.repository import ControlRoomRepository
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.bodies import JsonObject
from session_api.web.failures import RefusedError, RoomNotFoundError
from session_api.web.user import User

_log = get_logger(__name__)

#: Photon Ranch has some thirty sites; a room may cost money.
_MOST_ROOMS: Final = 1000
#: Longer than the four questions a new room takes, each of which ends after `DATALAB_REMOTEHQ_TIMEOUT_S`, 15 s at most.
_IN_HAND: Final = timedelta(seconds=75)
_LOOK_AGAIN_S: Final = 0.2


class ControlRoomService:
    """Any number of processes may serve the same rooms: see `ControlRoom`."""

    def __init__(
        self,
        *,
        rooms: ControlRoomRepository,
        provider: RoomProvider,
        open_sites: OpenSites,
        restart_hours: Mapping[str, int],
        patience_s: float = 20.0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`patience_s` is how long somebody waits while another makes the room."""
        self._rooms = rooms
        self._provider = provider
        self._open_sites = open_sites
        self._restart_hours = restart_hours
        self._patience_s = patience_s
        self._clock = clock

    async def find_or_open(self, caller: User, site: str) -> Room:
        """Return the room of a site, a new one if there is none.

        Raises `RefusedError` for nobody in particular, unless the site is open, `UsageError`, `ProviderError`.
        """
        _require_site(site)
        if not caller.username and not self._open_sites.let(caller, site, SiteWork.ROOMS):
            raise RefusedError(f"The control room of site {site!r} is shown to users only, with a token.")
        return await self._opened(site)

    async def restart(self, caller: User, site: str) -> Room:
        """Replace the room of a site by a new one. Raises `RefusedError`, `RoomNotFoundError`, `ProviderError`."""
        self._require_right(caller, site)
        if await self._rooms.find(site) is None:
            raise RoomNotFoundError(site)
        taken = await self._take(site)
        # Who asks while it is made anew, as by a second click, gets that one.
        return await self._opened(site) if taken is None else await self._open(taken)

    async def close(self, caller: User, site: str) -> bool:
        """End the room of a site; return whether there was one. Raises `RefusedError`, `ProviderError`."""
        self._require_right(caller, site)
        taken = await self._take(site)
        if taken is None:
            if await self._rooms.find(site) is None:
                return False
            raise TransientError("the control room is being made")
        if taken.room is not None:
            try:
                await self._provider.close_room(taken.room)
            except ProviderError:
                await self._rooms.put_down(taken, taken.room, opened_at=taken.opened_at)
                raise
        await self._rooms.delete(taken)
        _log.info("control_room.closed", site=site)
        return taken.room is not None

    async def open_browser(self, *, resolution: Resolution, initial_url: str) -> JsonObject:
        """Return a browser for several people. Raises `RefusedError`, `ProviderError`."""
        return await self._provider.open_browser(resolution=resolution, initial_url=initial_url)

    async def restart_due(self, confirm: Callable[[], Awaitable[None]]) -> None:
        """Make the rooms anew whose hour has struck, each once; `confirm` raises if that is no longer ours to do.

        A room is due as long as it was opened before the hour struck: whoever looks, however often, it is made anew
        once. Raises `TransientError`.
        """
        now = self._clock()
        for site, slot in restart_slots(self._restart_hours, now).items():
            await confirm()
            taken = await self._take(site, opened_before=slot)
            if taken is None:
                continue
            try:
                await self._open(taken)
            except ProviderError as error:  # the next who asks for the room has it made
                _log.warning("control_room.not_restarted", site=site, reason=error.message)

    async def _opened(self, site: str) -> Room:
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + self._patience_s
        while True:
            known = await self._rooms.find(site)
            if known is not None and (room := known.open_room()) is not None:
                return room
            taken = await self._begin(site) if known is None else await self._take(site)
            if taken is not None:
                return await self._open(taken)
            if loop.time() > patience_ends:
                raise ProviderError("the control room is still being made")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _begin(self, site: str) -> ControlRoom | None:
        if await self._rooms.count() >= _MOST_ROOMS:
            raise RefusedError(f"There are {_MOST_ROOMS} control rooms already, which is as many as are kept.")
        return await self._rooms.begin(site, until=self._clock() + _IN_HAND)

    async def _take(self, site: str, *, opened_before: datetime | None = None) -> ControlRoom | None:
        now = self._clock()
        return await self._rooms.take_in_hand(site, now=now, until=now + _IN_HAND, opened_before=opened_before)

    async def _open(self, taken: ControlRoom) -> Room:
        """Make a room in the place of the one in hand."""
        try:
            room = await self._provider.open_room(taken.site, taken.room)
        except ProviderError:
            await self._rooms.put_down(taken, None, opened_at=None)
            raise
        if not await self._rooms.put_down(taken, room, opened_at=self._clock()):
            return await self._opened(taken.site)  # it took so long that another has made one
        _log.info("control_room.opened", site=taken.site, replaces=taken.room is not None)
        return room

    def _require_right(self, caller: User, site: str) -> None:
        _require_site(site)
        if not self._open_sites.let(caller, site, SiteWork.ROOMS):
            raise RefusedError(
                f"The control room of site {site!r} is closed and made anew by those who act for it, with a token."
            )


def _require_site(site: str) -> None:
    if not is_site(site):
        raise UsageError(f"No site is called {site[:100]!r}: its code has {site_codes.RIGHT}.")
