"""`/api/analysis`: quick looks at one file, answered while the client waits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import Body, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.analysis import AnalysisRequested
from datalab.events.operations import FailureKind
from session_api.analysis.model import AnalysisError
from session_api.analysis.service import AnalysisService
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE, FITS_OR_JPEG, ErrorResponses, JsonObject
from session_api.web.delivery import UNCHANGED, accepts_gzip, delivered
from session_api.web.dependencies import Caller, CorrelationId, provided
from session_api.web.replies import JsonReply
from session_api.web.strict_json import StrictJsonRoute, json_router

Analyses = Annotated[AnalysisService, provided(AnalysisService)]
AnalysisForm = Annotated[
    JsonObject,
    Body(
        description="`basename` and `source` (or `archive`) name the file; all else are the action's parameters",
        examples=[{"basename": "tst1m0-cam1-20260504-0061-e91", "source": "archive", "max_size": 500}],
    ),
]


class AnalysisActionView(TypedDict):
    """An action, and the JSON schema of its parameters besides `basename` and `source`."""

    description: str
    parameters_schema: JsonObject


class AnalysisFailure(TypedDict):
    """Why there is no answer, for the user."""

    error: str


#: When to ask again for a file that is being made, in seconds.
_RETRY_AFTER_S = 2
_WRONG_BODY = 'the body must be a JSON object that names a file: {"basename": "...", "source": "archive"}'
_STATUS: Mapping[FailureKind, int] = {
    FailureKind.USAGE: 400,
    FailureKind.LIMIT: 400,
    FailureKind.TRANSIENT: 503,
    FailureKind.FATAL: 500,
}
_FAILURES: ErrorResponses = {
    status: {"model": AnalysisFailure | ANY_ROUTE[status]["model"] if status in ANY_ROUTE else AnalysisFailure}
    for status in sorted(set(_STATUS.values()))
}


class AnalysisRoute(StrictJsonRoute):
    """A route whose every refusal has the one shape clients of analyses read, also that of a body that is none."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                reason = _WRONG_BODY
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                reason = error.detail
            return JsonReply(AnalysisFailure(error=f"{request.path_params['action'][:100]} Error: {reason}"), 400)

        return answered


router = json_router("/api/analysis", tag="analysis", route_class=AnalysisRoute)


@router.get("", response_model=dict[str, AnalysisActionView], summary="The actions there are")
@access(Access.USER)
async def list_actions(analyses: Analyses) -> Response:
    return JsonReply(
        {
            described.action: AnalysisActionView(
                description=described.description, parameters_schema=described.parameters_schema
            )
            for described in await analyses.actions()
        }
    )


@router.post(
    "/{action}", response_model=Any, responses={**FITS_OR_JPEG, **_FAILURES, **UNCHANGED}, summary="Look at a file"
)
@access(
    Access.READER,
    provided="of what they may read",
    limits=("analysis_concurrency", "analysis_time_limit_s"),
    emits=(AnalysisRequested,),
    writes=False,
)
async def analyse(
    request: Request,
    caller: Caller,
    correlation_id: CorrelationId,
    action: str,
    form: AnalysisForm,
    *,
    analyses: Analyses,
) -> Response:
    """Asking twice changes nothing, so what a client has need not be sent again, though this is a POST."""
    try:
        answer = await analyses.analyse(caller, action, form, correlation_id=correlation_id)
    except AnalysisError as error:
        # `error` is the only key the user interface shows to the user.
        headers = {"Retry-After": str(_RETRY_AFTER_S)} if error.pending else None
        return JsonReply(AnalysisFailure(error=error.message), _STATUS[error.kind], headers)
    if answer.encoding is None:
        reply = Response(answer.body, media_type=answer.media_type)
    elif accepts_gzip(request):
        reply = Response(answer.body, media_type=answer.media_type, headers={"Content-Encoding": answer.encoding})
    else:
        reply = Response(await answer.unpacked(), media_type=answer.media_type)
    return await delivered(request, reply)
