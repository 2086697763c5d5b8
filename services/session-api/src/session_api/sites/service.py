"""Configurations of sites, each replaced as a whole by the site's own software."""

from __future__ import annotations

import json
from typing import Final

from datalab.errors import NotFoundError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import utc_now
from datalab.platform.logging import get_logger
from session_api.sites.model import SiteConfiguration, is_site
from session_api.sites.repository import SiteRepository
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.bodies import JsonObject
from session_api.web.failures import RefusedError, TooLargeError
from session_api.web.user import User

_log = get_logger(__name__)

#: Photon Ranch has some thirty sites; where anybody may write, nobody makes more than these.
_MOST_SITES: Final = 1000


class SiteService:
    """Keeps what sites say of themselves."""

    def __init__(self, *, sites: SiteRepository, open_sites: OpenSites, most_bytes: int) -> None:
        """`most_bytes` is how much all configurations may be together: they are one answer."""
        self._sites = sites
        self._open_sites = open_sites
        self._most_bytes = most_bytes

    async def configuration(self, site: str) -> JsonObject:
        """Return the configuration of a site. Raises `NotFoundError`."""
        found = await self._sites.find(site)
        if found is None:
            raise NotFoundError(f"There is no configuration of site {site!r}.")
        return found.configuration

    async def configurations(self) -> dict[str, JsonObject]:
        """Return all there are, by site."""
        return {each.site: each.configuration for each in await self._sites.find_all()}

    async def replace(self, caller: User, site: str, configuration: JsonObject) -> None:
        """Keep a configuration in the place of the former one.

        Raises `RefusedError` for what the caller may not say, `TooLargeError`, `UsageError`.
        """
        self._require_right(caller, site)
        size_bytes = len(json.dumps(configuration).encode())
        others = await self._sites.sizes_of_others(site)
        if len(others) >= _MOST_SITES:
            raise RefusedError(
                f"There are configurations of {len(others)} sites already, which is as many as are kept."
            )
        if sum(others) + size_bytes > self._most_bytes:
            raise TooLargeError(
                f"The configuration is too large: it has {size_bytes} bytes, those of the other sites {sum(others)}; "
                f"together at most {self._most_bytes} are kept."
            )
        await self._sites.keep(
            SiteConfiguration(site=site, configuration=configuration, size_bytes=size_bytes, modified=utc_now())
        )
        _log.info("sites.configured", site=site, size_bytes=size_bytes)

    async def remove(self, caller: User, site: str) -> None:
        """Forget a configuration, if there is one. Raises `RefusedError`, `UsageError`."""
        self._require_right(caller, site)
        await self._sites.delete(site)
        _log.info("sites.forgotten", site=site)

    def _require_right(self, caller: User, site: str) -> None:
        if not is_site(site):
            raise UsageError(
                f"No site is called {site[:100]!r}: its code has {site_codes.RIGHT}, and is no word that stands in the "
                "place of one in paths of this API."
            )
        if not self._open_sites.let(caller, site, SiteWork.CONFIGURATION):
            raise RefusedError(f"The configuration of site {site!r} is taken from its own software only, with a token.")
