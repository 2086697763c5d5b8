"""`/api/datasessions/{id}/operations`: the operations of a session.

PUT and PATCH are answered with 405: an operation is the record of what was computed from what. Editing it would leave
outputs with a history that never happened; a changed request is a new operation.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Request
from pydantic import Field, StrictInt
from starlette.responses import Response

from datalab.events.feed import OperationChanged, OperationDeleted
from datalab.events.operations import OperationCancelRequested, OperationRequested
from session_api.operations.service import OperationService
from session_api.operations.views import OperationPresenter, OperationView
from session_api.web.access import OWN, Access, access
from session_api.web.bodies import BAD_FIELDS, CONFLICT, FORBIDDEN, NOT_FOUND, Deleted, Form, JsonObject, Page
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import Caller, CorrelationId, RowId, provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

Operations = Annotated[OperationService, provided(OperationService)]
Presenter = Annotated[OperationPresenter, provided(OperationPresenter)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="any text you never use twice: a repeated request gets the operation the first one started",
    ),
]

router = json_router("/api/datasessions/{session_id}/operations", tag="operations", errors=NOT_FOUND)


class NewOperation(Form):
    """POST of an operation."""

    name: str = Field(description="a key of `available_operations`")
    input_data: JsonObject = Field(description="values of the operation's inputs, by key")


class OperationIds(Form):
    """Which operations to delete."""

    ids: Annotated[list[StrictInt], Field(max_length=10_000)]


@router.get(
    "", response_model=Page[OperationView], responses={**BAD_FIELDS, **UNCHANGED}, summary="List a session's operations"
)
@access(Access.READER, large_answer=True, provided=OWN)
async def list_operations(
    request: Request,
    caller: Caller,
    session_id: RowId,
    *,
    window: PageWindow,
    operations: Operations,
    presenter: Presenter,
) -> Response:
    count, found = await operations.page(caller, session_id, window)
    return await delivered(request, page_reply(request, window, count, await presenter.operations(found)))


@router.post(
    "",
    status_code=201,
    response_model=OperationView,
    responses={200: {"model": OperationView, "description": "started before"}, **BAD_FIELDS, **FORBIDDEN, **CONFLICT},
    summary="Start an operation",
)
@access(Access.USER, audited=False, provided=OWN, emits=(OperationRequested, OperationChanged))  # it says who began it
async def create_operation(
    caller: Caller,
    correlation_id: CorrelationId,
    session_id: RowId,
    form: NewOperation,
    *,
    operations: Operations,
    presenter: Presenter,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    operation, new = await operations.create(
        caller,
        session_id,
        name=form.name,
        input_data=form.input_data,
        idempotency_key=idempotency_key,
        correlation_id=correlation_id,
    )
    return JsonReply(await presenter.operation(operation), 201 if new else 200)


@router.post(
    "/bulk_delete", response_model=Deleted, responses={**BAD_FIELDS, **FORBIDDEN}, summary="Delete several operations"
)
@access(
    Access.USER,
    provided=OWN,
    emits=(OperationDeleted, OperationCancelRequested, OperationChanged, OperationRequested),
)
async def delete_operations(caller: Caller, session_id: RowId, form: OperationIds, operations: Operations) -> Response:
    return JsonReply(Deleted(deleted=await operations.delete_many(caller, session_id, form.ids)))


@router.get("/{operation_id}", response_model=OperationView, responses=UNCHANGED, summary="Read an operation")
@access(Access.READER, provided=OWN)
async def get_operation(
    request: Request,
    caller: Caller,
    session_id: RowId,
    operation_id: RowId,
    *,
    operations: Operations,
    presenter: Presenter,
) -> Response:
    operation = await operations.get(caller, session_id, operation_id)
    return await delivered(request, JsonReply(await presenter.operation(operation)))


@router.delete(
    "/{operation_id}", status_code=204, responses=FORBIDDEN, summary="Delete an operation, stopping it if it runs"
)
@access(
    Access.USER,
    provided=OWN,
    emits=(OperationDeleted, OperationCancelRequested, OperationChanged, OperationRequested),
)
async def delete_operation(caller: Caller, session_id: RowId, operation_id: RowId, operations: Operations) -> Response:
    await operations.delete(caller, session_id, operation_id)
    return empty_reply()


@router.post(
    "/{operation_id}/cancel",
    response_model=OperationView,
    responses={**FORBIDDEN, **CONFLICT},
    summary="Stop an operation",
)
@access(Access.USER, provided=OWN, emits=(OperationCancelRequested, OperationChanged, OperationRequested))
async def cancel_operation(
    caller: Caller, session_id: RowId, operation_id: RowId, operations: Operations, presenter: Presenter
) -> Response:
    return JsonReply(await presenter.operation(await operations.cancel(caller, session_id, operation_id)))


@router.post(
    "/{operation_id}/retry",
    response_model=OperationView,
    responses={**BAD_FIELDS, **FORBIDDEN, **CONFLICT},
    summary="Try a failed or cancelled operation again",
)
@access(Access.USER, provided=OWN, emits=(OperationRequested, OperationChanged))
async def retry_operation(
    caller: Caller, session_id: RowId, operation_id: RowId, operations: Operations, presenter: Presenter
) -> Response:
    return JsonReply(await presenter.operation(await operations.retry(caller, session_id, operation_id)))
