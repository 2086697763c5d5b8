"""Sites whose software sends without a token, as that of observatories does: it has no credentials."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from session_api.web.user import User

#: Among the open sites it means all of them; no site can have this name.
EVERY_SITE: Final = "*"


class OpenSites:
    """Knows who may say and send what is a site's."""

    def __init__(self, sites: Collection[str]) -> None:
        self._sites = frozenset(sites)

    def let(self, caller: User | None, site: str) -> bool:
        """Tell whether a caller, None for nobody in particular, may say what this site's own software says."""
        return self._is_open(site) or (caller is not None and caller.may_speak_for(site))

    def let_send(self, caller: User | None, site: str) -> bool:
        """Tell whether a caller, likewise, may send files of this site."""
        return self._is_open(site) or (caller is not None and caller.may_ingest(site))

    def _is_open(self, site: str) -> bool:
        return EVERY_SITE in self._sites or site in self._sites
