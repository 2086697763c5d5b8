"""`/api/system`: how the system does, for operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.envelope import utc_now
from session_api.system.service import Process, SystemService
from session_api.web.access import Access, access
from session_api.web.bodies import FORBIDDEN
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import provided
from session_api.web.replies import JsonReply, shown_datetime
from session_api.web.strict_json import json_router

router = json_router("/api/system", tag="system", errors={**FORBIDDEN, **UNCHANGED})

System = Annotated[SystemService, provided(SystemService)]


class WorkView(TypedDict):
    """A message that is being handled; `what` is empty where the consumer's name says enough."""

    consumer: str
    what: str
    since: str


class ProcessView(TypedDict):
    """A process of a service. One that is `silent` has said nothing for 20 s: what it said last may not hold any more.

    `dependencies` are `ok` or what is wrong, by server; `slots` are the messages it takes at once, by consumer.
    """

    process_id: str
    service: str
    host: str
    version: str
    started_at: str
    seen_at: str
    silent: bool
    dependencies: dict[str, str]
    slots: dict[str, int]
    in_hand: list[WorkView]


class QueueView(TypedDict):
    """Messages that wait for a consumer, that it has in hand, and those of them that were tried before."""

    consumer: str
    description: str
    waiting: int
    in_hand: int
    redelivered: int


@router.get("/processes", response_model=list[ProcessView], summary="List the processes there are and what they do")
@access(Access.OPERATOR)
async def list_processes(request: Request, system: System) -> Response:
    return await delivered(request, JsonReply([_view(process) for process in await system.processes()]))


@router.get("/queues", response_model=list[QueueView], summary="List what waits on the bus")
@access(Access.OPERATOR)
async def list_queues(request: Request, system: System) -> Response:
    return await delivered(request, JsonReply([asdict(state) for state in await system.queues()]))


def _view(process: Process) -> ProcessView:
    described = process.described
    return ProcessView(
        process_id=described.process_id,
        service=described.service,
        host=described.host,
        version=described.version,
        started_at=shown_datetime(described.started_at),
        seen_at=shown_datetime(process.seen_at),
        silent=process.is_silent(utc_now()),
        dependencies=described.dependencies,
        slots=described.slots,
        in_hand=[
            WorkView(consumer=work.consumer, what=work.what, since=shown_datetime(work.since))
            for work in described.in_hand
        ],
    )
