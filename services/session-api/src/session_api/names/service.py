"""From a name to a position: from what is kept, else from SIMBAD."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from datalab.errors import NotFoundError, TransientError, UsageError
from datalab.events.envelope import utc_now
from session_api.names.model import MAX_CHARACTERS, KnownName, usual
from session_api.names.repository import NameRepository
from session_api.names.simbad import Simbad

#: What SIMBAD does not know today it may know soon.
_UNKNOWN_KEEP = timedelta(days=1)
#: SIMBAD asks for no more than six questions a second of one address.
_ASKED_AT_ONCE = 2


class NameService:
    """Every name is asked for once, however many want to know it at the same time."""

    def __init__(self, *, names: NameRepository, simbad: Simbad, keep: timedelta) -> None:
        self._names = names
        self._simbad = simbad
        self._keep = keep
        self._places = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def find(self, name: str) -> KnownName:
        """Return where an object is.

        Raises `NotFoundError` if there is none of this name, `UsageError` for what is no name, `TransientError` if
        nobody can be asked.
        """
        wanted = usual(name)
        if not wanted or len(wanted) > MAX_CHARACTERS or not wanted.isprintable():
            raise UsageError(f"A name has 1 to {MAX_CHARACTERS} characters.")
        known = await self._names.find(wanted, now=utc_now())
        if known is None:
            if self._places.locked():
                raise TransientError("too many names are being looked up; try again in a moment")
            async with self._places:
                known = await self._names.find(wanted, now=utc_now()) or await self._look_up(name, wanted)
        if known.main_name is None:
            raise NotFoundError(f"No object is called {name.strip()}.")
        return known

    async def _look_up(self, name: str, wanted: str) -> KnownName:
        found = await self._simbad.find(" ".join(name.split()))
        keep = self._keep if found else _UNKNOWN_KEEP
        known = KnownName(
            name=wanted,
            main_name=found.name if found else None,
            right_ascension_deg=found.right_ascension_deg if found else None,
            declination_deg=found.declination_deg if found else None,
            expires_at=utc_now() + keep,
        )
        await self._names.keep(known)
        return known
