"""A site's control room, and when it is made anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from datalab.documents.document import StoredDocument
from datalab.events import site_codes
from datalab.events.envelope import UtcDatetime
from session_api.web.bodies import JsonObject

#: A restart that nobody could do on the hour is done up to this much later: people have not begun to observe.
LATEST_RESTART: Final = timedelta(hours=2)


class Room(BaseModel):
    """A room people can enter: whoever knows its `url` does. `room_id` is what its provider calls it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    slug: str
    room_id: str
    url: str
    config: JsonObject


class ControlRoom(StoredDocument):
    """The control room of a site.

    One process at a time has it in hand, until `in_hand_until` at the latest; `revision` counts the changes, and who is
    overtaken by another can write no more. Without a `room` there is none, or it is being made.
    """

    site: str = Field(alias="_id")
    revision: int
    room: Room | None = None
    opened_at: UtcDatetime | None = None
    in_hand_until: UtcDatetime | None = None

    def is_in_hand(self, now: datetime) -> bool:
        """Tell whether some process is making, replacing or closing the room."""
        return self.in_hand_until is not None and self.in_hand_until > now

    def open_room(self) -> Room | None:
        """Return the room people can enter. One that somebody had in hand and never put down may be no more."""
        return self.room if self.in_hand_until is None else None


def is_site(code: str) -> bool:
    """Tell whether a site can be called so."""
    return re.fullmatch(site_codes.PATTERN, code) is not None


def restart_slots(hours: Mapping[str, int], now: datetime) -> dict[str, datetime]:
    """Return the sites whose room is due to be made anew now, each with the moment it has been since.

    `hours` are in UTC. Every process says the same of the same moment, whenever it looks.
    """
    struck = {site: _last(hour, now) for site, hour in hours.items()}
    return {site: slot for site, slot in struck.items() if now - slot < LATEST_RESTART}


def _last(hour: int, now: datetime) -> datetime:
    """Return when it was last this hour, on the stroke."""
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)
