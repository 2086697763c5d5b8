"""Sites whose software sends without a token, as that of observatories does: it has no credentials."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from session_api.web.user import User

#: Among the open sites it means all of them; no site can have this name.
EVERY_SITE: Final = "*"


class OpenSites:
    """Knows who may send what is a site's."""

    def __init__(self, sites: Collection[str]) -> None:
        self._sites = frozenset(sites)

    def let(self, caller: User | None, site: str) -> bool:
        """Tell whether a caller, None for nobody in particular, may send what is this site's."""
        return EVERY_SITE in self._sites or site in self._sites or (caller is not None and caller.may_ingest(site))
