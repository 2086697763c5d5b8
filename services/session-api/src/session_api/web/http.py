"""`/api/openapi.json` and `/api/asyncapi.json`: the routes and the events, described. And how the process is."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from datalab.events.asyncapi import document
from datalab.platform.health import Health, health_routes
from datalab.platform.observers import ObservedFrom
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE
from session_api.web.replies import JsonReply

router = APIRouter(prefix="/api", tags=["documents"], responses=ANY_ROUTE)


@access(Access.PUBLIC)
async def openapi(request: Request) -> Response:
    return JsonReply(request.app.openapi())


router.routes.append(Route("/api/openapi.json", openapi))


@router.get("/asyncapi.json", response_model=dict[str, JsonValue], summary="The events on the bus and the feed")
@access(Access.PUBLIC)
async def asyncapi() -> Response:
    return JsonReply(document())


def process_routes(health: Health, registry: CollectorRegistry, *, observed_from: ObservedFrom) -> Sequence[BaseRoute]:
    """Return the routes of whoever looks after the process; who that is they ask themselves."""
    endpoints = health_routes(health, registry, observed_from=observed_from)
    return [Route(path, access(Access.PUBLIC)(endpoint)) for path, endpoint in endpoints]
