"""Rooms on a host of meetings, where a room is made by entering it: nobody is asked for one."""

from __future__ import annotations

import secrets
from typing import Final

from session_api.control_rooms.model import Room
from session_api.control_rooms.ports import Resolution
from session_api.web.bodies import JsonObject
from session_api.web.failures import RefusedError

#: 192 bits: nobody guesses a room.
_SECRET_BYTES: Final = 24


class MeetingRooms:
    """Makes up addresses below `url`. What was said in a former room stays there; nobody is led to it any more."""

    def __init__(self, *, url: str, page_url: str) -> None:
        self._url = url.rstrip("/")
        self._page_url = page_url.rstrip("/")

    async def open_room(self, site: str, former: Room | None) -> Room:
        del former
        slug = f"control-room-{site}-{secrets.token_hex(_SECRET_BYTES)}"
        return Room(
            slug=slug,
            room_id=slug,
            url=f"{self._url}/{slug}",
            config={"url": f"{self._page_url}/cr/{site}"},
        )

    async def close_room(self, room: Room) -> None:
        """Nothing is to be done: it ends with the last who leaves."""

    async def open_browser(self, *, resolution: Resolution, initial_url: str) -> JsonObject:
        raise RefusedError(
            f"There is no shared browser for {initial_url[:100]!r} ({resolution}): this system has no account with "
            "RemoteHQ, which has them."
        )
