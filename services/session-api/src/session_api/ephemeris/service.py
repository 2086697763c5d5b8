"""Nights and passages of the Moon: asked of the runners once, and kept."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from async_lru import alru_cache

from datalab.errors import NotFoundError
from datalab.events.ephemeris import MoonPassages, SiteNight
from session_api.ephemeris.model import (
    Configurations,
    EphemerisRunners,
    MoonQuestion,
    NightQuestion,
    completed,
    night_question,
)
from session_api.web.bodies import JsonObject

#: Of 12 KB each. Thirty sites are looked at for the night there is, the one before and the one to come.
_MOST_NIGHTS: Final = 500
#: Of 120 KB each: two months of the calendar of the user interface.
_MOST_MOONS: Final = 32


class EphemerisService:
    """What the Sun and the Moon do at sites.

    Answers are kept under the values they were computed from: a configuration that changes asks anew. Who asks while
    the same is being computed waits for that.
    """

    def __init__(self, *, sites: Configurations, runners: EphemerisRunners) -> None:
        self._sites = sites
        self._nights = alru_cache(maxsize=_MOST_NIGHTS, key=_night)(runners.night)
        self._moons = alru_cache(maxsize=_MOST_MOONS, key=_moon)(runners.moon_passages)

    async def night(
        self,
        site: str,
        moment: datetime,
        *,
        with_elevation: bool = False,
        with_refraction: bool = False,
        correlation_id: str,
    ) -> SiteNight:
        """Return the events of the night a moment belongs to, from noon to noon at a site.

        With elevation, the Sun and the Moon rise and set at the horizon of the sea that far below the site; with
        refraction, where the air of the site bends their light to its horizon.

        Raises:
            NotFoundError: the site has no configuration.
            UsageError: its configuration does not say where it is.
            TransientError: no runner answers.
        """
        question = night_question(
            await self._configuration(site), moment, with_elevation=with_elevation, with_refraction=with_refraction
        )
        return await self._nights(question, correlation_id)

    async def moon_passages(self, question: MoonQuestion, *, correlation_id: str) -> MoonPassages:
        """Return the passages of the Moon that are complete in an interval. Raises `TransientError`."""
        return await self._moons(question, correlation_id)

    async def _configuration(self, site: str) -> JsonObject:
        try:
            configuration = await self._sites.configuration(site)
        except NotFoundError:
            raise NotFoundError("The specified sitecode did not match any config file.") from None
        wema = configuration.get("wema_name")
        if not isinstance(wema, str) or wema == site:
            return configuration
        try:
            return completed(configuration, await self._sites.configuration(wema))
        except NotFoundError:
            return configuration


def _night(question: NightQuestion, _: str) -> object:
    return question.night


def _moon(question: MoonQuestion, _: str) -> object:
    return question
