"""The configurations of sites, in MongoDB: the present ones, and those before them."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.events.envelope import Event
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection, LostRaceError
from datalab.platform.documents.outbox import OutboxRelay
from session_api.sites.model import ConfigurationVersion, SiteConfiguration, VersionSummary

_THERE: Document = {"removed": {"$ne": True}}
_NEWEST_FIRST = (("version", DESCENDING),)
#: A configuration of before there were versions is the first.
_FIRST = 1


class SiteRepository:
    """Collections `site_configs` and `site_config_versions`: they are everybody's to read."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._sites = Collection(database, "site_configs", SiteConfiguration, relay=relay)
        self._versions = Collection(
            database,
            "site_config_versions",
            ConfigurationVersion,
            indexes=[Index(fields=(("site", ASCENDING), ("version", DESCENDING)), unique=True)],
        )

    async def ensure_indexes(self) -> None:
        await self._sites.ensure_indexes()
        await self._versions.ensure_indexes()

    async def find(self, site: str) -> SiteConfiguration | None:
        """Return what a site said last, also if it was taken back."""
        return await self._sites.find_one({"_id": site})

    async def find_all(self) -> list[SiteConfiguration]:
        return await self._sites.find(_THERE)

    async def sizes_of_others(self, site: str) -> list[int]:
        """Return how large the configuration of each other site is, in bytes."""
        rows = await self._sites.rows({"_id": {"$ne": site}, **_THERE}, {"size_bytes": True})
        return [row["size_bytes"] for row in rows]

    async def count_names(self) -> int:
        """Return how many sites ever had a configuration."""
        return await self._sites.estimated_count()

    async def put(self, configuration: SiteConfiguration, events: Sequence[Event], *, former: int | None) -> None:
        """Keep a configuration in the place of one of number `former`, or of none.

        Raises `LostRaceError` if there is another one by now.
        """
        if former is None:
            if not await self._sites.insert(configuration, events):
                raise LostRaceError
            return
        fields = configuration.stored()
        number = {"$in": [_FIRST, None]} if former == _FIRST else former
        await self._sites.replace({"_id": fields.pop("_id"), "version": number}, fields, events)

    # --- before ----------------------------------------------------------------------------------------------------

    async def keep_version(self, former: SiteConfiguration) -> None:
        """Keep what a configuration was. Kept already, it is the same."""
        await self._versions.insert(ConfigurationVersion.of(former))

    async def find_version(self, site: str, version: int) -> ConfigurationVersion | None:
        return await self._versions.find_one({"site": site, "version": version})

    async def versions(self, site: str) -> list[VersionSummary]:
        """Return what is known of the former versions, newest first."""
        fields = dict.fromkeys(("version", "modified", "size_bytes", "removed", "by"), True)
        rows = await self._versions.rows({"site": site}, {**fields, "_id": False}, sort=_NEWEST_FIRST)
        return [VersionSummary(**row) for row in rows]

    async def forget_versions(self, site: str, *, up_to: int) -> None:
        await self._versions.delete({"site": site, "version": {"$lte": up_to}})
