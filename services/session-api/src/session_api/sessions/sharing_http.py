"""`/api/datasessions/{session_id}/shares`, `…/link` and `…/owner`: with whom a session is shared."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field
from starlette.responses import Response

from datalab.events.feed import SessionAccessChanged
from session_api.operations.session_rights import Role
from session_api.sessions.http import Presenter, Sessions
from session_api.sessions.sharing import SharingService
from session_api.sessions.views import SessionLinkView, SessionView, SharingView, sharing_view
from session_api.web.access import OWN, Access, access
from session_api.web.bodies import BAD_FIELDS, CONFLICT, FORBIDDEN, NOT_FOUND, Form
from session_api.web.dependencies import Caller, CorrelationId, RowId, provided
from session_api.web.replies import JsonReply, empty_reply, shown_datetime
from session_api.web.strict_json import json_router

Shares = Annotated[SharingService, provided(SharingService)]
#: Who cannot be a user is told that there is no such one.
Username = Annotated[str, Path(min_length=1, max_length=200)]

router = json_router("/api/datasessions/{session_id}", tag="sharing", errors={**NOT_FOUND, **FORBIDDEN})


class GivenRole(Form):
    """What somebody is to be in a session."""

    role: Literal["viewer", "editor"]

    @property
    def given(self) -> Literal[Role.VIEWER, Role.EDITOR]:
        return Role.EDITOR if self.role == "editor" else Role.VIEWER


class NewOwner(Form):
    """Whose a session is to be."""

    user: Annotated[str, Field(min_length=1, max_length=200)]


@router.get("/shares", response_model=SharingView, summary="Read with whom a session is shared")
@access(Access.USER, personal=True)
async def get_shares(caller: Caller, session_id: RowId, shares: Shares) -> Response:
    return JsonReply(sharing_view(await shares.read(caller, session_id)))


@router.put(
    "/shares/users/{username}",
    response_model=SharingView,
    responses={**BAD_FIELDS, **CONFLICT},
    summary="Share a session with a user, or change their role",
)
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def share_with_user(
    caller: Caller,
    correlation_id: CorrelationId,
    session_id: RowId,
    username: Username,
    form: GivenRole,
    *,
    shares: Shares,
) -> Response:
    shared = await shares.share_with_user(caller, session_id, username, form.given, correlation_id=correlation_id)
    return JsonReply(sharing_view(shared))


@router.delete(
    "/shares/users/{username}", status_code=204, summary="Share a session with a user no longer; or leave one"
)
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def withdraw_from_user(
    caller: Caller, correlation_id: CorrelationId, session_id: RowId, username: Username, shares: Shares
) -> Response:
    await shares.withdraw_from_user(caller, session_id, username, correlation_id=correlation_id)
    return empty_reply()


@router.put(
    "/shares/groups/{group_id}",
    response_model=SharingView,
    responses={**BAD_FIELDS, **CONFLICT},
    summary="Share a session with a group you are in, or change its role",
)
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def share_with_group(
    caller: Caller,
    correlation_id: CorrelationId,
    session_id: RowId,
    group_id: RowId,
    form: GivenRole,
    *,
    shares: Shares,
) -> Response:
    shared = await shares.share_with_group(caller, session_id, group_id, form.given, correlation_id=correlation_id)
    return JsonReply(sharing_view(shared))


@router.delete("/shares/groups/{group_id}", status_code=204, summary="Share a session with a group no longer")
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def withdraw_from_group(
    caller: Caller, correlation_id: CorrelationId, session_id: RowId, group_id: RowId, shares: Shares
) -> Response:
    await shares.withdraw_from_group(caller, session_id, group_id, correlation_id=correlation_id)
    return empty_reply()


@router.post(
    "/link", status_code=201, response_model=SessionLinkView, summary="Make a link to a session, in place of any other"
)
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def make_link(caller: Caller, correlation_id: CorrelationId, session_id: RowId, shares: Shares) -> Response:
    link, session = await shares.make_link(caller, session_id, correlation_id=correlation_id)
    since = session.link.since if session.link else session.modified
    return JsonReply(SessionLinkView(link=link, since=shown_datetime(since)), 201, {"Cache-Control": "no-store"})


@router.delete("/link", status_code=204, summary="Have the link to a session open nothing any more")
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def revoke_link(caller: Caller, correlation_id: CorrelationId, session_id: RowId, shares: Shares) -> Response:
    await shares.revoke_link(caller, session_id, correlation_id=correlation_id)
    return empty_reply()


@router.put("/owner", response_model=SessionView, responses={**BAD_FIELDS, **CONFLICT}, summary="Give a session away")
@access(Access.USER, provided=OWN, emits=(SessionAccessChanged,))
async def give_session(
    caller: Caller,
    correlation_id: CorrelationId,
    session_id: RowId,
    form: NewOwner,
    *,
    shares: Shares,
    sessions: Sessions,
    presenter: Presenter,
) -> Response:
    """The answer is the session as you see it from now on: as an editor."""
    await shares.give(caller, session_id, form.user, correlation_id=correlation_id)
    return JsonReply(await presenter.session(await sessions.open(caller, session_id)))
