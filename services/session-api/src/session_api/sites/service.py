"""Configurations of sites, each replaced as a whole by the site's own software."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from datalab.errors import NotFoundError, TransientError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import utc_now
from datalab.events.feed import SiteConfigured
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.sites.model import Replaced, SiteConfiguration, VersionSummary, is_site
from session_api.sites.repository import SiteRepository
from session_api.sites.schemas import SiteSchemas
from session_api.sites.settings import SiteSettings
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.bodies import JsonObject
from session_api.web.failures import RefusedError, TooLargeError
from session_api.web.preconditions import Preconditions
from session_api.web.user import User
from session_api.web.write_limits import WriteLimits

_log = get_logger(__name__)

#: Photon Ranch has some thirty sites; where anybody may write, nobody makes more than these.
_MOST_SITES: Final = 1000
#: Names that were ever used, of which the number of the last version is kept.
_MOST_NAMES: Final = 10 * _MOST_SITES
_MOST_RACES: Final = 10


class SiteService:
    """Keeps what sites say of themselves, and what they said before."""

    def __init__(
        self,
        *,
        sites: SiteRepository,
        open_sites: OpenSites,
        schemas: SiteSchemas,
        limits: WriteLimits,
        settings: SiteSettings,
        most_bytes: int,
    ) -> None:
        """`most_bytes` is how much all configurations may be together: they are one answer."""
        self._sites = sites
        self._open_sites = open_sites
        self._schemas = schemas
        self._limits = limits
        self._settings = settings
        self._most_bytes = most_bytes

    # --- reading ---------------------------------------------------------------------------------------------------

    async def configuration(self, site: str) -> JsonObject:
        """Return the configuration of a site. Raises `NotFoundError`."""
        return (await self.present(site)).configuration

    async def present(self, site: str) -> SiteConfiguration:
        """Return it with what is known of it. Raises `NotFoundError`."""
        found = await self._sites.find(site)
        if found is None or found.removed:
            raise NotFoundError(f"There is no configuration of site {site!r}.")
        return found

    async def configurations(self) -> dict[str, JsonObject]:
        """Return all there are, by site."""
        return {each.site: each.configuration for each in await self._sites.find_all()}

    async def version(self, site: str, version: int) -> JsonObject:
        """Return what the configuration of a site was, or is, under a number. Raises `NotFoundError`."""
        present = await self._sites.find(site)
        found = present if present and present.version == version else await self._sites.find_version(site, version)
        if found is None or found.removed:
            raise NotFoundError(f"There is no version {version} of the configuration of site {site!r}.")
        return found.configuration

    async def versions(self, site: str) -> Sequence[VersionSummary]:
        """Return which versions there are, the present one first. Raises `NotFoundError` if there never was one."""
        present = await self._sites.find(site)
        if present is None:
            raise NotFoundError(f"There is no configuration of site {site!r}.")
        # What is about to be replaced is among the former ones already.
        former = [each for each in await self._sites.versions(site) if each.version < present.version]
        return [_summary(present), *former]

    # --- writing ---------------------------------------------------------------------------------------------------

    async def replace(
        self, caller: User, site: str, configuration: JsonObject, *, preconditions: Preconditions, address: str
    ) -> Replaced:
        """Keep a configuration in the place of the former one, which stays as a version.

        Raises `RefusedError` for what the caller may not say, `PreconditionError`, `TooLargeError`, `TooManyError`,
        `UsageError`.
        """
        self._require_right(caller, site)
        self._limits.take(site=site, address=address)
        doubts = self._doubts(site, configuration)
        text = json.dumps(configuration)
        await self._require_room(site, len(text.encode()))

        async def turn() -> int:
            former = await self._sites.find(site)
            preconditions.require(_tag(former))
            if former is None and (names := await self._sites.count_names()) >= _MOST_NAMES:
                raise _too_many(names)
            if former is not None and not former.removed and json.dumps(former.configuration) == text:
                return former.version
            return await self._put(
                SiteConfiguration(
                    site=site,
                    configuration=configuration,
                    size_bytes=len(text.encode()),
                    modified=utc_now(),
                    version=_next(former),
                    by=caller.username,
                ),
                former,
            )

        version = await until_won(turn, races=_MOST_RACES, of=f"the configuration of site {site!r}")
        _log.info("sites.configured", site=site, version=version, size_bytes=len(text.encode()), doubts=doubts)
        return Replaced(version, doubts)

    async def remove(self, caller: User, site: str, *, preconditions: Preconditions, address: str) -> None:
        """Forget a configuration, if there is one; its versions stay.

        Raises `RefusedError`, `PreconditionError`, `TooManyError`, `UsageError`.
        """
        self._require_right(caller, site)
        self._limits.take(site=site, address=address)

        async def turn() -> None:
            former = await self._sites.find(site)
            preconditions.require(_tag(former))
            if former is not None and not former.removed:
                nothing = SiteConfiguration(
                    site=site,
                    configuration={},
                    size_bytes=0,
                    modified=utc_now(),
                    version=_next(former),
                    by=caller.username,
                    removed=True,
                )
                await self._put(nothing, former)

        await until_won(turn, races=_MOST_RACES, of=f"the configuration of site {site!r}")
        _log.info("sites.forgotten", site=site)

    async def _put(self, configuration: SiteConfiguration, former: SiteConfiguration | None) -> int:
        """Replace one, kept as a version first: whatever happens in between, it is there. Raises `LostRaceError`."""
        if former is not None:
            await self._sites.keep_version(former)
        event = SiteConfigured(
            producer=SERVICE,
            site=configuration.site,
            version=configuration.version,
            removed=configuration.removed,
        )
        await self._sites.put(configuration, [event], former=None if former is None else former.version)
        try:
            await self._forget_old(configuration.site)
        except TransientError as error:  # it is stored, and the next one forgets more
            _log.warning("sites.versions_not_forgotten", site=configuration.site, reason=error.message)
        return configuration.version

    async def _forget_old(self, site: str) -> None:
        kept_bytes = 0
        for count, each in enumerate(await self._sites.versions(site)):
            kept_bytes += each.size_bytes
            if count == self._settings.site_config_versions or kept_bytes > self._settings.site_config_history_bytes:
                await self._sites.forget_versions(site, up_to=each.version)
                return

    # --- what may be written ---------------------------------------------------------------------------------------

    def _require_right(self, caller: User, site: str) -> None:
        if not is_site(site):
            raise UsageError(
                f"No site is called {site[:100]!r}: its code has {site_codes.RIGHT}, and is no word that stands in the "
                "place of one in paths of this API."
            )
        if not self._open_sites.let(caller, site, SiteWork.CONFIGURATION):
            raise RefusedError(f"The configuration of site {site!r} is taken from its own software only, with a token.")

    def _doubts(self, site: str, configuration: JsonObject) -> Sequence[str]:
        if self._settings.site_config_checks == "off":
            return ()
        doubts = self._schemas.doubts(configuration)
        if doubts and self._settings.site_config_checks == "strict":
            raise UsageError(f"The configuration of site {site!r} does not fit its schema: {'; '.join(doubts)}")
        return doubts

    async def _require_room(self, site: str, size_bytes: int) -> None:
        others = await self._sites.sizes_of_others(site)
        if len(others) >= _MOST_SITES:
            raise _too_many(len(others))
        if sum(others) + size_bytes > self._most_bytes:
            raise TooLargeError(
                f"The configuration is too large: it has {size_bytes} bytes, those of the other sites {sum(others)}; "
                f"together at most {self._most_bytes} are kept."
            )


def _too_many(sites: int) -> RefusedError:
    return RefusedError(f"There are configurations of {sites} sites already, which is as many as are kept.")


def _tag(former: SiteConfiguration | None) -> str | None:
    return None if former is None else former.tag


def _next(former: SiteConfiguration | None) -> int:
    return 1 if former is None else former.version + 1


def _summary(present: SiteConfiguration) -> VersionSummary:
    return VersionSummary(
        version=present.version,
        modified=present.modified,
        size_bytes=present.size_bytes,
        removed=present.removed,
        by=present.by,
    )
