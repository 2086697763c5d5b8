"""Sites whose software sends without a token, as that of observatories does: it has no credentials."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

from datalab.events import site_codes
from datalab.events.spelling import Spelled
from session_api.web.user import EVERY_SITE, User


class SiteWork(StrEnum):
    """What the software of a site does, each by routes of its own."""

    FILES = "files"
    CONFIGURATION = "configuration"
    STATUS = "status"
    LOGS = "logs"
    JOBS = "jobs"
    QUEUES = "queues"
    ROOMS = "rooms"


#: What stands in the setting: a site that is open for all of it, or for one part.
OpenSite = Annotated[
    str,
    Spelled(
        rf"(\*|{site_codes.PATTERN})(:({'|'.join(SiteWork)}))?",
        f"a site or *, which is open for all its software does, or with one of :{', :'.join(SiteWork)} for that only",
    ),
]


class OpenSites:
    """Knows who may say and send what is a site's."""

    def __init__(self, sites: Collection[str]) -> None:
        """`sites` are open, each for everything, or for what follows a colon."""
        self._sites = frozenset(sites)

    def let(self, caller: User | None, site: str, work: SiteWork | None = None) -> bool:
        """Tell whether a caller, None for nobody in particular, may say what this site's own software says.

        Work that has no name here is open where everything is.
        """
        return self._is_open(site, work) or (caller is not None and caller.may_speak_for(site))

    def let_send(self, caller: User | None, site: str) -> bool:
        """Tell whether a caller, likewise, may send files of this site."""
        return self._is_open(site, SiteWork.FILES) or (caller is not None and caller.may_ingest(site))

    def _is_open(self, site: str, work: SiteWork | None) -> bool:
        entries = {EVERY_SITE, site}
        if work is not None:
            entries |= {f"{each}:{work}" for each in entries}
        return not self._sites.isdisjoint(entries)
