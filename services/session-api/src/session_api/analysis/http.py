"""`/api/analysis`: quick looks at one file, answered while the client waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from datalab.events.operations import FailureKind
from session_api.accounts.caller import Caller, CorrelationId
from session_api.analysis.bodies import AnalysisActionView, AnalysisFailure
from session_api.analysis.model import AnalysisError
from session_api.context import Context
from session_api.web.bodies import UNAUTHENTICATED, UNAVAILABLE, ErrorResponses, JsonObject
from session_api.web.replies import JsonReply
from session_api.web.strict_json import StrictJsonRoute

_STATUS: Mapping[FailureKind, int] = {
    FailureKind.USAGE: 400,
    FailureKind.LIMIT: 400,
    FailureKind.TRANSIENT: 503,
    FailureKind.FATAL: 500,
}
_FAILURES: ErrorResponses = {status: {"model": AnalysisFailure} for status in sorted(set(_STATUS.values()))}

Form = Annotated[
    JsonObject,
    Body(
        description="`basename` and `source` (or `archive`) name the file; all else are the action's parameters",
        examples=[{"basename": "tst1m0-cam1-20260504-0061-e91", "source": "archive", "max_size": 500}],
    ),
]


def routes(context: Context) -> APIRouter:
    """Return the routes of analyses."""
    router = APIRouter(
        prefix="/api/analysis",
        tags=["analysis"],
        route_class=StrictJsonRoute,
        strict_content_type=False,
        responses=UNAUTHENTICATED,
    )

    @router.get(
        "", response_model=dict[str, AnalysisActionView], responses=UNAVAILABLE, summary="The actions there are"
    )
    async def list_actions(_caller: Caller) -> Response:
        return JsonReply(
            {
                described.action: {
                    "description": described.description,
                    "parameters_schema": described.parameters_schema,
                }
                for described in await context.analysis.actions()
            }
        )

    @router.post("/{action}", response_model=Any, responses=_FAILURES, summary="Look at a file")
    async def analyse(caller: Caller, correlation_id: CorrelationId, action: str, form: Form) -> Response:
        try:
            answer = await context.analysis.analyse(caller, action, form, correlation_id=correlation_id)
        except AnalysisError as error:
            # `error` is the only key the user interface shows to the user.
            return JsonReply({"error": error.message}, _STATUS[error.kind])
        return Response(answer, media_type="application/json")

    return router
