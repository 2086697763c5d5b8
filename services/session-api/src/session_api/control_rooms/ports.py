"""Who gives rooms."""

from __future__ import annotations

from typing import Literal, Protocol

from datalab.errors import TransientError
from session_api.control_rooms.model import Room
from session_api.web.bodies import JsonObject

Resolution = Literal["low", "medium", "high", "mobile"]


class ProviderError(TransientError):
    """Whoever gives rooms gave none. The text names no secret."""


class RoomProvider(Protocol):
    """What a room is made by. Every method raises `ProviderError`."""

    async def open_room(self, site: str, former: Room | None) -> Room:
        """Return a new room for a site, in place of the former one and of any other it has."""

    async def close_room(self, room: Room) -> None:
        """End a room; one that is no more is ended."""

    async def open_browser(self, *, resolution: Resolution, initial_url: str) -> JsonObject:
        """Return a browser that several people share, as the provider describes it.

        Raises `RefusedError` if there are none.
        """
