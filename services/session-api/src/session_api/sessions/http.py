"""`/api/datasessions`: data sessions."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from datalab.events.feed import OperationChanged, SessionChanged, SessionDeleted
from datalab.events.operations import OperationCancelRequested, OperationRequested
from session_api.sessions.model import MAX_NAME_CHARACTERS, SessionFilter
from session_api.sessions.service import SessionService
from session_api.sessions.views import SessionFramesView, SessionPresenter, SessionView, session_frames_view
from session_api.web.access import OWN, Access, access
from session_api.web.bodies import BAD_FIELDS, FORBIDDEN, NOT_FOUND, Form, JsonObject, Page
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import Caller, CorrelationId, RowId, provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.parameters import WITHOUT_NULLS, MomentParameter
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

Sessions = Annotated[SessionService, provided(SessionService)]
Presenter = Annotated[SessionPresenter, provided(SessionPresenter)]
SessionName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS)]


#: Longer than a name can be it finds nothing; and the document store's regular expressions have their limits.
_Findable = Annotated[str, StringConstraints(max_length=MAX_NAME_CHARACTERS), WITHOUT_NULLS]
TextParameter = Annotated[_Findable | None, Query()]
router = json_router("/api/datasessions", tag="sessions", errors=NOT_FOUND)


class NewSession(Form):
    """POST and PUT of a session."""

    name: SessionName
    input_data: list[JsonObject] = Field(default_factory=list, description="items to add; known ones are kept")


class SessionChange(Form):
    """PATCH of a session."""

    name: SessionName = Field(default="", validate_default=False)
    input_data: list[JsonObject] = Field(default_factory=list, description="items to add; known ones are kept")


async def _chosen(
    *,
    created_after: MomentParameter = None,
    created_before: MomentParameter = None,
    modified_after: MomentParameter = None,
    modified_before: MomentParameter = None,
    name: Annotated[TextParameter, Query(description="contained in the name, in either case")] = None,
    name_exact: TextParameter = None,
    user: Annotated[TextParameter, Query(description="contained in the owner's name, in either case")] = None,
    user_exact: TextParameter = None,
    shared: Annotated[
        Literal["include", "only"] | None,
        Query(description="also the sessions that others share with you, or only these; with `role` in each"),
    ] = None,
) -> SessionFilter:
    return SessionFilter(
        belonging=shared or "own",
        created_after=created_after,
        created_before=created_before,
        modified_after=modified_after,
        modified_before=modified_before,
        name_contains=name or None,
        name_exact=name_exact or None,
        user_contains=user or None,
        user_exact=user_exact or None,
    )


@router.get("", response_model=Page[SessionView], responses={**BAD_FIELDS, **UNCHANGED}, summary="List your sessions")
@access(Access.USER, large_answer=True, provided=OWN, personal=True)
async def list_sessions(
    request: Request,
    caller: Caller,
    *,
    window: PageWindow,
    chosen: Annotated[SessionFilter, Depends(_chosen)],
    sessions: Sessions,
    presenter: Presenter,
) -> Response:
    count, found = await sessions.page(caller, chosen, window)
    views = await presenter.sessions(found, with_role=chosen.belonging != "own")
    return await delivered(request, page_reply(request, window, count, views))


@router.post("", status_code=201, response_model=SessionView, responses=BAD_FIELDS, summary="Make a session")
@access(Access.USER, emits=(SessionChanged,))
async def create_session(
    caller: Caller, correlation_id: CorrelationId, form: NewSession, sessions: Sessions, presenter: Presenter
) -> Response:
    made = await sessions.create(caller, name=form.name, input_data=form.input_data, correlation_id=correlation_id)
    unknown = await sessions.unknown_frames(caller, form.input_data)
    return JsonReply(await presenter.session(made, unknown_frames=unknown), 201)


@router.get("/{session_id}", response_model=SessionView, summary="Read a session")
@access(Access.READER, large_answer=True, provided=OWN)
async def get_session(caller: Caller, session_id: RowId, sessions: Sessions, presenter: Presenter) -> Response:
    return JsonReply(await presenter.session(await sessions.open(caller, session_id)))


@router.get(
    "/{session_id}/frames",
    response_model=SessionFramesView,
    responses=UNCHANGED,
    summary="Read about a session's frames",
)
@access(Access.READER, large_answer=True, provided=OWN)
async def get_session_frames(request: Request, caller: Caller, session_id: RowId, sessions: Sessions) -> Response:
    return await delivered(request, JsonReply(session_frames_view(await sessions.frames(caller, session_id))))


@router.put(
    "/{session_id}",
    response_model=SessionView,
    responses={**BAD_FIELDS, **FORBIDDEN},
    summary="Rename a session, add input data",
)
@access(Access.USER, large_answer=True, provided=OWN, emits=(SessionChanged,))
async def put_session(
    caller: Caller,
    correlation_id: CorrelationId,
    session_id: RowId,
    form: NewSession,
    *,
    sessions: Sessions,
    presenter: Presenter,
) -> Response:
    changed = await sessions.change(
        caller, session_id, name=form.name, input_data=form.input_data, correlation_id=correlation_id
    )
    unknown = await sessions.unknown_frames(caller, form.input_data)
    return JsonReply(await presenter.session(changed, unknown_frames=unknown))


@router.patch(
    "/{session_id}",
    response_model=SessionView,
    responses={**BAD_FIELDS, **FORBIDDEN},
    summary="Rename a session or add input data",
)
@access(Access.USER, large_answer=True, provided=OWN, emits=(SessionChanged,))
async def patch_session(
    caller: Caller,
    correlation_id: CorrelationId,
    session_id: RowId,
    form: SessionChange,
    *,
    sessions: Sessions,
    presenter: Presenter,
) -> Response:
    changed = await sessions.change(
        caller, session_id, name=form.name or None, input_data=form.input_data, correlation_id=correlation_id
    )
    unknown = await sessions.unknown_frames(caller, form.input_data)
    return JsonReply(await presenter.session(changed, unknown_frames=unknown))


@router.delete("/{session_id}", status_code=204, responses=FORBIDDEN, summary="Delete a session with its operations")
@access(
    Access.USER,
    provided=OWN,
    emits=(SessionDeleted, OperationCancelRequested, OperationChanged, OperationRequested),
)
async def delete_session(
    caller: Caller, correlation_id: CorrelationId, session_id: RowId, sessions: Sessions
) -> Response:
    await sessions.delete(caller, session_id, correlation_id=correlation_id)
    return empty_reply()
