"""`/api/available_operations`: what can be computed, as clients draw their forms from it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from session_api.accounts.caller import Caller
from session_api.context import Context
from session_api.web.bodies import UNAUTHENTICATED
from session_api.web.replies import JsonReply


def routes(context: Context) -> APIRouter:
    """Return the route of the catalogue."""
    router = APIRouter(prefix="/api", tags=["operations"], responses=UNAUTHENTICATED)

    @router.get("/available_operations", response_model=dict[str, JsonValue], summary="The operations there are")
    async def available_operations(_caller: Caller) -> Response:
        return JsonReply({entry.name: entry.wizard for entry in context.catalogue.entries()})

    return router
