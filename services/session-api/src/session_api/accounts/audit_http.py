"""`/api/audit-log`: who changed what, for whoever looks after the system."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.accounts.audit import AuditService
from session_api.accounts.model import AuditEntry
from session_api.web.access import Access, access
from session_api.web.bodies import BAD_FIELDS, FORBIDDEN, Page
from session_api.web.dependencies import provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.parameters import MomentParameter
from session_api.web.replies import shown_datetime
from session_api.web.strict_json import json_router

Audit = Annotated[AuditService, provided(AuditService)]

router = json_router("/api/audit-log", tag="users", errors=FORBIDDEN)


class AuditView(TypedDict):
    """A change that was asked for; `status` is null while it is not answered, and for ever if it never was."""

    request_id: str
    at: str
    username: str
    address: str
    method: str
    route: str
    about: dict[str, str]
    status: int | None


@router.get("", response_model=Page[AuditView], responses=BAD_FIELDS, summary="List changes, the latest first")
@access(Access.OPERATOR)
async def list_changes(
    request: Request,
    window: PageWindow,
    *,
    audit: Audit,
    username: Annotated[str | None, Query(max_length=200)] = None,
    since: MomentParameter = None,
    until: MomentParameter = None,
) -> Response:
    count, entries = await audit.page(window, username=username, since=since, until=until)
    return page_reply(request, window, count, list(map(_view, entries)), estimated=username is None)


def _view(entry: AuditEntry) -> AuditView:
    return AuditView(
        request_id=entry.request_id,
        at=shown_datetime(entry.at),
        username=entry.username,
        address=entry.address,
        method=entry.method,
        route=entry.route,
        about=entry.about,
        status=entry.status,
    )
