"""Making groups and changing who is in them."""

from __future__ import annotations

from datalab.events.envelope import utc_now
from datalab.platform.logging import get_logger
from session_api.accounts.repository import AccountRepository
from session_api.groups.model import MAX_GROUPS, MAX_MEMBERS, Group, canonical
from session_api.groups.repository import GroupRepository
from session_api.web.failures import (
    ConflictError,
    FieldError,
    ForbiddenError,
    GroupNotFoundError,
    UserNotFoundError,
)
from session_api.web.user import User
from session_api.web.window import Window

_log = get_logger(__name__)


class GroupService:
    """Members see a group and may leave it; its owner does all else.

    A group that the caller is no member of does not exist: `GroupNotFoundError`.
    """

    def __init__(self, *, groups: GroupRepository, users: AccountRepository) -> None:
        self._groups = groups
        self._users = users

    async def page(self, caller: User, window: Window) -> tuple[int, list[Group]]:
        """Return how many groups the caller is in, and the window of them."""
        return await self._groups.page(caller.username, window)

    async def get(self, caller: User, group_id: int) -> Group:
        """Return a group."""
        group = await self._groups.find(caller.username, group_id)
        if group is None:
            raise GroupNotFoundError
        return group

    async def create(self, caller: User, *, name: str) -> Group:
        """Make a group with the caller in it. Raises `FieldError` for a name the caller has given to another one."""
        if await self._groups.count_owned(caller.username) >= MAX_GROUPS:
            raise ConflictError(f"You own {MAX_GROUPS} groups, which is as many as one user may.")
        group = Group(
            id=await self._groups.next_id(),
            name=name,
            canonical=canonical(name),
            owner=caller.username,
            members=(caller.username,),
            created=utc_now(),
        )
        if not await self._groups.insert(group):
            raise _name_taken()
        return group

    async def rename(self, caller: User, group_id: int, name: str) -> Group:
        """Give a group another name; what is shared with it stays so."""
        await self._owned(caller, group_id)
        if not await self._groups.rename(caller.username, group_id, name):
            raise _name_taken()
        return await self.get(caller, group_id)

    async def add_member(self, caller: User, group_id: int, username: str) -> Group:
        """Add a user. Asked again, it is the same request. Raises `UserNotFoundError`."""
        await self._owned(caller, group_id)
        if await self._users.find_any(username) is None:
            raise UserNotFoundError
        if not await self._groups.add_member(caller.username, group_id, username):
            await self._owned(caller, group_id)
            raise ConflictError(f"The group has {MAX_MEMBERS} members, which is as many as there may be.")
        _log.info("group.member_added", group_id=group_id, by=caller.username, member=username)
        return await self.get(caller, group_id)

    async def remove_member(self, caller: User, group_id: int, username: str) -> None:
        """Remove a member, or leave. What is shared with the group is closed to them from now on."""
        if username == caller.username:
            await self._leave(caller, group_id)
        else:
            group = await self._owned(caller, group_id)
            if username not in group.members:
                raise UserNotFoundError
            if not await self._groups.remove_member(caller.username, group_id, username):
                await self._owned(caller, group_id)
        _log.info("group.member_removed", group_id=group_id, by=caller.username, member=username)

    async def _leave(self, caller: User, group_id: int) -> None:
        await self.get(caller, group_id)
        if not await self._groups.leave(caller.username, group_id):
            await self.get(caller, group_id)
            raise ConflictError("The owner cannot leave: give the group to another member, or delete it.")

    async def give(self, caller: User, group_id: int, username: str) -> Group:
        """Make another member the owner. Raises `UserNotFoundError` for who is none."""
        group = await self._owned(caller, group_id)
        if await self._users.find_any(username) is None or username not in group.members:
            raise UserNotFoundError
        if username != caller.username and await self._groups.count_owned(username) >= MAX_GROUPS:
            raise ConflictError(f"{username} owns {MAX_GROUPS} groups, which is as many as one user may.")
        match await self._groups.give(caller.username, group_id, username):
            case None:
                raise ConflictError(f"{username} owns another group of that name: rename it first.")
            case False:
                await self._owned(caller, group_id)
                raise UserNotFoundError
        _log.info("group.given", group_id=group_id, by=caller.username, to=username)
        return await self.get(caller, group_id)

    async def delete(self, caller: User, group_id: int) -> None:
        """Delete a group: what is shared with it is closed to its members from now on."""
        await self._owned(caller, group_id)
        if not await self._groups.delete(caller.username, group_id):
            await self._owned(caller, group_id)
        _log.info("group.deleted", group_id=group_id, by=caller.username)

    async def _owned(self, caller: User, group_id: int) -> Group:
        group = await self.get(caller, group_id)
        if group.owner != caller.username:
            raise ForbiddenError
        return group


def _name_taken() -> FieldError:
    return FieldError({"name": ["You own a group of that name already."]})
