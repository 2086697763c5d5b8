"""Sessions as clients see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from datalab.documents.frame import FrameDocument
from session_api.operations.session_rights import Role
from session_api.operations.views import OperationPresenter, OperationView
from session_api.sessions.model import Share
from session_api.sessions.service import SessionWithOperations
from session_api.sessions.sharing import Sharing
from session_api.web.bodies import JsonObject
from session_api.web.replies import shown_datetime

_UNKNOWN = (
    "only where items were given: names among them under which the archive has no frame you may read now; the items "
    "are kept, as the frames may be on their way"
)


_ROLE = "what you are in it; only with sessions of others, and in lists asked for with `shared`"


class SessionView(TypedDict):
    """A session with the latest of its operations, as many as fit; `operations_count` tells how many there are."""

    id: int
    operations: list[OperationView]
    user: str
    name: str
    input_data: list[JsonObject]
    created: str
    accessed: str
    modified: str
    operations_count: int
    role: NotRequired[Annotated[Literal["viewer", "editor", "owner"], Field(description=_ROLE)]]
    unknown_frames: NotRequired[Annotated[list[str], Field(description=_UNKNOWN)]]


class SessionFrameView(TypedDict):
    """A frame of a session, as far as people choose frames by it; what the archive does not know is null."""

    basename: str
    filter: str | None
    observation_date: str | None
    target_name: str | None
    exposure_time: float | None
    configuration_type: str | None


class SessionFramesView(TypedDict):
    """What the archive knows of a session's frames; of those that are not here, nothing you may read."""

    frames: list[SessionFrameView]


class ShareView(TypedDict):
    """Whom a session is shared with, and what they are in it: a user, or a group by number and name."""

    user: NotRequired[str]
    group: NotRequired[int]
    group_name: NotRequired[str]
    role: Literal["viewer", "editor"]
    since: str


class SharedLinkView(TypedDict):
    """That there is a link to a session; what it is, is known to those who have it."""

    since: str


class SharingView(TypedDict):
    """With whom a session is shared."""

    shares: list[ShareView]
    link: SharedLinkView | None


class SessionLinkView(TypedDict):
    """A new link, shown this once: whoever sends it as `X-Session-Link` may look at the session."""

    link: str
    since: str


def session_frames_view(frames: Iterable[FrameDocument]) -> SessionFramesView:
    """Return frames of a session as clients see them."""
    return SessionFramesView(
        frames=[
            SessionFrameView(
                basename=frame.basename,
                filter=frame.filter_name,
                observation_date=None if frame.observation_date is None else shown_datetime(frame.observation_date),
                target_name=frame.target_name,
                exposure_time=frame.exposure_time_s,
                configuration_type=frame.configuration_type,
            )
            for frame in frames
        ]
    )


def sharing_view(sharing: Sharing) -> SharingView:
    """Return what the owner of a session sees of its sharing; groups that are no more are left out."""
    link = sharing.session.link
    return SharingView(
        shares=[
            _share_view(each, sharing.groups)
            for each in sharing.session.shares
            if each.group is None or each.group in sharing.groups
        ],
        link=None if link is None else SharedLinkView(since=shown_datetime(link.since)),
    )


def _share_view(share: Share, groups: Mapping[int, str]) -> ShareView:
    view = ShareView(role="editor" if share.role is Role.EDITOR else "viewer", since=shown_datetime(share.since))
    if share.user is not None:
        view["user"] = share.user
    if share.group is not None:
        view["group"], view["group_name"] = share.group, groups[share.group]
    return view


class SessionPresenter:
    """Makes views of sessions. Every method raises `TransientError` when a result stored apart cannot be read."""

    def __init__(self, *, operations: OperationPresenter) -> None:
        self._operations = operations

    async def session(
        self, found: SessionWithOperations, *, unknown_frames: Sequence[str] = (), with_role: bool = False
    ) -> SessionView:
        """Return a session with its operations, and what is to be said of items that were just given.

        What the caller is in it is said of sessions of others, and `with_role`.
        """
        session = found.session
        view = SessionView(
            id=session.id,
            operations=await self._operations.operations(found.operations),
            user=session.owner,
            name=session.name,
            input_data=list(session.input_data),
            created=shown_datetime(session.created),
            accessed=shown_datetime(session.accessed),
            modified=shown_datetime(session.modified),
            operations_count=found.operations_count,
        )
        if with_role or found.role is not Role.OWNER:
            view["role"] = found.role.value
        if unknown_frames:
            view["unknown_frames"] = list(unknown_frames)
        return view

    async def sessions(self, found: Iterable[SessionWithOperations], *, with_role: bool = False) -> list[SessionView]:
        """Return several sessions."""
        return [await self.session(each, with_role=with_role) for each in found]
