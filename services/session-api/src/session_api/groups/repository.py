"""Groups in MongoDB. Every change is one conditional write, so that what happens at the same time loses nothing."""

from __future__ import annotations

from collections.abc import Collection as AbstractCollection
from collections.abc import Iterable

from datalab.documents.document import ASCENDING, Document, Index
from datalab.platform.documents.client import Database, DuplicateKeyError
from datalab.platform.documents.collection import Collection
from session_api.groups.model import MAX_MEMBERS, Group, canonical
from session_api.web.window import Window

_BY_NAME = (("canonical", ASCENDING), ("_id", ASCENDING))


class GroupRepository:
    """Collection `groups`."""

    def __init__(self, database: Database) -> None:
        self._groups = Collection(
            database,
            "groups",
            Group,
            indexes=[
                Index(fields=(("members", ASCENDING), *_BY_NAME), name="members"),
                Index(fields=(("owner", ASCENDING), ("canonical", ASCENDING)), name="names", unique=True),
            ],
        )
        self.ensure_indexes = self._groups.ensure_indexes
        self.next_id = self._groups.next_number

    async def insert(self, group: Group) -> bool:
        """Store a new group; return False if its owner has one of that name."""
        return await self._groups.insert(group)

    async def find(self, member: str, group_id: int) -> Group | None:
        """Return a group that somebody is a member of."""
        return await self._groups.find_one({"_id": group_id, "members": member})

    async def page(self, member: str, window: Window) -> tuple[int, list[Group]]:
        """Return how many groups somebody is a member of, and the window of them, by name."""
        query = {"members": member}
        return await self._groups.count(query), await self._groups.find(
            query, sort=_BY_NAME, skip=window.offset, limit=window.limit
        )

    async def count_owned(self, owner: str) -> int:
        return await self._groups.count({"owner": owner})

    async def ids_of(self, member: str, *, among: AbstractCollection[int] | None = None) -> frozenset[int]:
        """Return the groups that somebody is a member of, or those of some groups."""
        query: Document = {"members": member}
        if among is not None:
            query["_id"] = {"$in": sorted(among)}
        return frozenset(row["_id"] for row in await self._groups.rows(query, {"_id": True}))

    async def find_any_names(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the names of those of the groups that there are."""
        rows = await self._groups.rows({"_id": {"$in": sorted(ids)}}, {"name": True})
        return {row["_id"]: row["name"] for row in rows}

    async def rename(self, owner: str, group_id: int, name: str) -> bool:
        """Rename a group; return False if the owner has another one of that name."""
        changes = {"$set": {"name": name, "canonical": canonical(name)}}
        try:
            await self._groups.update(_owned(owner, group_id), changes)
        except DuplicateKeyError:
            return False
        return True

    async def add_member(self, owner: str, group_id: int, member: str) -> bool:
        """Add a member, unless there are too many; return whether the owner's group has the member now."""
        room = {"$or": [{"members": member}, {f"members.{MAX_MEMBERS - 1}": {"$exists": False}}]}
        return await self._groups.update({**_owned(owner, group_id), **room}, {"$addToSet": {"members": member}})

    async def remove_member(self, owner: str, group_id: int, member: str) -> bool:
        """Remove a member of an owner's group; return whether there was one."""
        query = {**_owned(owner, group_id), "members": member}
        return await self._groups.update(query, {"$pull": {"members": member}})

    async def leave(self, member: str, group_id: int) -> bool:
        """Remove a member who is not the owner; return whether there was one."""
        query = {"_id": group_id, "members": member, "owner": {"$ne": member}}
        return await self._groups.update(query, {"$pull": {"members": member}})

    async def give(self, owner: str, group_id: int, member: str) -> bool | None:
        """Make a member the owner; return False if there is no such member, None if that owner has one of its name."""
        query = {**_owned(owner, group_id), "members": member}
        try:
            return await self._groups.update(query, {"$set": {"owner": member}})
        except DuplicateKeyError:
            return None

    async def delete(self, owner: str, group_id: int) -> bool:
        """Remove a group of an owner's; return whether there was one."""
        return bool(await self._groups.delete(_owned(owner, group_id)))

    async def forget_any(self, username: str) -> None:
        """Remove a user from every group, and the groups the user owns."""
        await self._groups.delete({"owner": username})
        await self._groups.update_all({"members": username}, {"$pull": {"members": username}})


def _owned(owner: str, group_id: int) -> Document:
    return {"_id": group_id, "owner": owner}
