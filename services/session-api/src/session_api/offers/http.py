"""`/api/available_operations`: what can be computed, as clients draw their forms from it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import JsonValue
from starlette.responses import Response

from session_api.offers.reader import OperationOffers
from session_api.web.access import Access, access
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import provided
from session_api.web.replies import JsonReply
from session_api.web.strict_json import json_router

router = json_router("/api", tag="operations")


@router.get(
    "/available_operations",
    response_model=dict[str, JsonValue],
    responses=UNCHANGED,
    summary="The operations there are",
)
@access(Access.USER)
async def available_operations(
    request: Request, offers: Annotated[OperationOffers, provided(OperationOffers)]
) -> Response:
    return await delivered(request, JsonReply({offer.name: offer.wizard for offer in offers.in_order()}))
