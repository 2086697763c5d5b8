"""Groups as their members see them."""

from __future__ import annotations

from typing_extensions import TypedDict

from session_api.groups.model import Group
from session_api.web.replies import shown_datetime


class GroupView(TypedDict):
    """A group; the owner is one of its members."""

    id: int
    name: str
    owner: str
    members: list[str]
    created: str


def group_view(group: Group) -> GroupView:
    """Return what members see of a group."""
    return GroupView(
        id=group.id,
        name=group.name,
        owner=group.owner,
        members=list(group.members),
        created=shown_datetime(group.created),
    )
