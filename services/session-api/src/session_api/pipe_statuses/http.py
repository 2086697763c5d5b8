"""`/pipe/status`: what PIPE machines say of themselves, as they have always said it.

A new client that names `stale_after_s` is told of each machine whether it has been silent for longer than that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, NotRequired

import orjson
from fastapi import Path, Query
from pydantic import JsonValue, StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.errors import UsageError
from datalab.events.envelope import utc_now
from session_api.pipe_statuses.model import LARGEST_DETAILS_BYTES, PipeStatus
from session_api.pipe_statuses.service import PipeStatusService
from session_api.web.access import Access, access
from session_api.web.bodies import Confirmation, JsonObject
from session_api.web.dependencies import Anybody, provided
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, photon_ranch_router
from session_api.web.replies import JsonReply

Statuses = Annotated[PipeStatusService, provided(PipeStatusService)]
PipeId = Annotated[str, Path(), StringConstraints(max_length=256), WITHOUT_NULLS]
Silence = Annotated[
    float | None,
    Query(gt=0, le=10**9, description="silence after which a machine counts as `stale`, in seconds; each is told so"),
]

router = photon_ranch_router(tag="queues")


class StatusView(TypedDict):
    """A machine's status; `last_updated` in ms since 1970. Whether it is stale is told who asks for it."""

    pipe_id: str
    status: str
    last_updated: int
    details: JsonValue
    stale: NotRequired[bool]


@router.post(
    "/pipe/status",
    response_model=StatusView,
    responses={**TEXT_ERRORS, 413: TEXT},
    summary="Say how a PIPE machine is",
)
@access(Access.PUBLIC, max_body_bytes=4 * LARGEST_DETAILS_BYTES, audited=False, provided="who speaks for some site")
async def set_status(caller: Anybody, form: JsonObject, statuses: Statuses) -> Response:
    pipe_id, status = form.get("pipe_id"), form.get("status")
    if not pipe_id or not status:
        raise UsageError("Missing required fields: pipe_id and status")
    if not isinstance(pipe_id, str) or not isinstance(status, str):
        raise UsageError("pipe_id and status are texts.")
    return JsonReply(_view(await statuses.replace(caller, pipe_id, status, form.get("details", {})), None))


@router.get(
    "/pipe/status/{pipe_id}", response_model=StatusView, responses=TEXT_ERRORS, summary="See how a PIPE machine is"
)
@access(Access.PUBLIC)
async def get_status(pipe_id: PipeId, statuses: Statuses, stale_after_s: Silence = None) -> Response:
    return JsonReply(_view(await statuses.status(pipe_id), stale_after_s))


@router.delete(
    "/pipe/status/{pipe_id}", response_model=Confirmation, responses=TEXT_ERRORS, summary="Forget a PIPE machine"
)
@access(Access.PUBLIC, provided="who speaks for some site")
async def delete_status(caller: Anybody, pipe_id: PipeId, statuses: Statuses) -> Response:
    await statuses.forget(caller, pipe_id)
    return JsonReply({"message": f"Status deleted for PIPE: {pipe_id}"})


@router.get(
    "/pipe/statuses", response_model=list[StatusView], responses=TEXT_ERRORS, summary="See how all PIPE machines are"
)
@access(Access.PUBLIC, large_answer=True)
async def list_statuses(statuses: Statuses, stale_after_s: Silence = None) -> Response:
    return JsonReply([_view(status, stale_after_s) for status in await statuses.statuses()])


def _view(status: PipeStatus, stale_after_s: float | None) -> StatusView:
    view: StatusView = {
        "pipe_id": status.pipe_id,
        "status": status.status,
        "last_updated": round(status.last_updated.timestamp() * 1000),
        "details": orjson.Fragment(status.details),  # type: ignore[typeddict-item]  # JSON already, as it goes out
    }
    if stale_after_s is not None:
        view["stale"] = utc_now() - status.last_updated > timedelta(seconds=stale_after_s)
    return view
