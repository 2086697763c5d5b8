"""The configurations of sites, in MongoDB."""

from __future__ import annotations

from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.sites.model import SiteConfiguration


class SiteRepository:
    """Collection `site_configs`: they are everybody's to read."""

    def __init__(self, database: Database) -> None:
        self._sites = Collection(database, "site_configs", SiteConfiguration)

    async def find(self, site: str) -> SiteConfiguration | None:
        return await self._sites.find_one({"_id": site})

    async def find_all(self) -> list[SiteConfiguration]:
        return await self._sites.find({})

    async def sizes_of_others(self, site: str) -> list[int]:
        """Return how large the configuration of each other site is, in bytes."""
        return [row["size_bytes"] for row in await self._sites.rows({"_id": {"$ne": site}}, {"size_bytes": True})]

    async def keep(self, configuration: SiteConfiguration) -> None:
        await self._sites.upsert(configuration)

    async def delete(self, site: str) -> None:
        await self._sites.delete({"_id": site})
