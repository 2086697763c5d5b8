"""`/api/asyncapi.json`: the events, described as OpenAPI describes the routes."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from datalab.events.asyncapi import document
from session_api.context import Context
from session_api.web.replies import JsonReply


def routes(_context: Context) -> APIRouter:
    """Return the route of the AsyncAPI document."""
    router = APIRouter(prefix="/api", tags=["documents"])

    @router.get("/asyncapi.json", response_model=dict[str, JsonValue], summary="The events on the bus and the feed")
    async def asyncapi() -> Response:
        return JsonReply(document())

    return router
