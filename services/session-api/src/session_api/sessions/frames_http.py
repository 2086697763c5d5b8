"""`DELETE /api/frames/{frame_id}/`: frames go, by whoever may; beside the sessions, which show them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from datalab.events.frames import FrameRemovalRequested
from session_api.sessions.frame_removal import FrameRemovalService
from session_api.web.access import Access, access
from session_api.web.bodies import BAD_FIELDS, CONFLICT, FORBIDDEN, NOT_FOUND, Detail
from session_api.web.dependencies import Caller, CorrelationId, RowId, provided
from session_api.web.replies import detail_reply
from session_api.web.strict_json import json_router

Removals = Annotated[FrameRemovalService, provided(FrameRemovalService)]

router = json_router("/api/frames", tag="frames", errors=NOT_FOUND)


@router.delete(
    "/{frame_id}",
    status_code=202,
    response_model=Detail,
    responses={**BAD_FIELDS, **FORBIDDEN, **CONFLICT},
    summary="Remove a frame with all its files",
)
@access(Access.USER, provided="frames of files of their own; superusers all", emits=(FrameRemovalRequested,))
async def remove_frame(
    frame_id: RowId,
    caller: Caller,
    correlation_id: CorrelationId,
    removals: Removals,
    *,
    force: Annotated[bool, Query(description="also one that sessions show")] = False,
) -> Response:
    await removals.request(caller, frame_id, force=force, correlation_id=correlation_id)
    return detail_reply(202, "The frame is being removed.")
