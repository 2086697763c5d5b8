"""`/pipe/…`: queues as observatories and PIPE machines have always used them; `/api/queues/…`: for their operators.

A new client names a `lease_s` when it takes an item, and acknowledges it when it is done: an item whose borrower died
is the first of its queue again.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.errors import UsageError
from datalab.events.feed import ItemEnqueued
from session_api.queues.model import LARGEST_PAYLOAD_BYTES, Group
from session_api.queues.service import QueueService
from session_api.queues.views import (
    HeldItemView,
    ItemView,
    LeaseView,
    QueueView,
    held_item_view,
    item_view,
    lease_view,
    queue_view,
    taken_view,
)
from session_api.web.access import Access, access
from session_api.web.bodies import BAD_FIELDS, FORBIDDEN, NOT_FOUND, TOO_MANY, Confirmation, Form, JsonObject, Page
from session_api.web.departures import while_there
from session_api.web.dependencies import Anybody, Caller, provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, photon_ranch_router
from session_api.web.replies import JsonReply
from session_api.web.strict_json import json_router

#: A payload, and what goes with it.
_LARGEST_BYTES = LARGEST_PAYLOAD_BYTES + 16 * 1024
_LONGEST_SENDER = 256
_OF_THE_SITE = "who speaks for the site of this name"

Queues = Annotated[QueueService, provided(QueueService)]
QueueName = Annotated[str, Path(), StringConstraints(max_length=256), WITHOUT_NULLS]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="the same request again, with the same key, is one request")
]
Seconds = Annotated[float, Query(gt=0, le=86_400, description="time the item is lent out for, in seconds")]

# What becomes of an item stands in the item: hundreds are taken in a second, and the audit log is a write of its own.
router = photon_ranch_router(tag="queues")


class Lease(BaseModel):
    """Which item is lent out, and under which lease."""

    id: str = Field(max_length=256)
    lease: str = Field(max_length=256)


_CONFLICTS = {**TEXT_ERRORS, 409: TEXT}


@router.post("/pipe/queue", response_model=Confirmation, responses=_CONFLICTS, summary="Make a queue")
@access(Access.PUBLIC, provided=_OF_THE_SITE)
async def create(caller: Anybody, form: JsonObject, queues: Queues) -> Response:
    name = _queue_name(form)
    await queues.create(caller, name)
    return JsonReply({"message": f"Queue created: {name}"})


@router.post(
    "/pipe/enqueue",
    response_model=ItemView,
    responses={**_CONFLICTS, 413: TEXT, **TOO_MANY},
    summary="Put an item into a queue",
)
@access(
    Access.PUBLIC,
    max_body_bytes=_LARGEST_BYTES,
    audited=False,
    provided=_OF_THE_SITE,
    emits=(ItemEnqueued,),
    limits=("queue_max_items", "queue_max_bytes"),
)
async def enqueue(caller: Anybody, form: JsonObject, queues: Queues, key: Key = None) -> Response:
    sender = form.get("sender", "unknown")
    if not isinstance(sender, str) or len(sender) > _LONGEST_SENDER:
        raise UsageError(f"sender is a text of at most {_LONGEST_SENDER} characters.")
    item = await queues.enqueue(caller, _queue_name(form), form.get("payload", {}), sender=sender, key=key)
    return JsonReply(item_view(item))


@router.get("/pipe/queues", response_model=dict[str, int], summary="Count the items of every queue, and one more")
@access(Access.PUBLIC)
async def count_items(queues: Queues) -> Response:
    # The first service counted a record of its own among them; what reads these numbers knows that.
    return JsonReply({name: count + 1 for name, count in (await queues.counts()).items()})


@router.get(
    "/pipe/queue/{name}", response_model=list[ItemView], responses=TEXT_ERRORS, summary="See what is taken next"
)
@access(Access.PUBLIC, large_answer=True, provided=_OF_THE_SITE)
async def peek(
    caller: Anybody, name: QueueName, queues: Queues, limit: Annotated[int, Query(ge=1, le=2**31)] = 10
) -> Response:
    return JsonReply([item_view(item) for item in await queues.peek(caller, name, limit)])


@router.delete("/pipe/queue/{name}", response_model=Confirmation, responses=TEXT_ERRORS, summary="Delete a queue")
@access(Access.PUBLIC, provided=_OF_THE_SITE)
async def delete(caller: Anybody, name: QueueName, queues: Queues) -> Response:
    await queues.delete(caller, name)
    return JsonReply({"message": f"Queue deleted: {name}"})


@router.post(
    "/pipe/queue/{name}/dequeue",
    response_model=ItemView | LeaseView,
    responses=TEXT_ERRORS,
    summary="Take the first item, for good or for a time",
)
@access(Access.PUBLIC, audited=False, provided=_OF_THE_SITE)
async def dequeue(
    request: Request,
    caller: Anybody,
    name: QueueName,
    *,
    queues: Queues,
    lease_s: Seconds | None = None,
    key: Key = None,
) -> Response:
    if lease_s is None:
        return JsonReply(taken_view(await while_there(request, queues.dequeue(caller, name, key=key))))
    return JsonReply(lease_view(await queues.lend(caller, name, lease_s)))


@router.post(
    "/pipe/queue/{name}/acknowledge",
    response_model=Confirmation,
    responses=_CONFLICTS,
    summary="Say that an item that was lent out is done with",
)
@access(Access.PUBLIC, audited=False, provided=_OF_THE_SITE)
async def acknowledge(caller: Anybody, name: QueueName, form: Lease, queues: Queues) -> Response:
    await queues.acknowledge(caller, name, form.id, form.lease)
    return JsonReply({"message": f"Item done: {form.id}"})


@router.post(
    "/pipe/queue/{name}/renew",
    response_model=LeaseView,
    responses=_CONFLICTS,
    summary="Keep an item for longer, from now on",
)
@access(Access.PUBLIC, audited=False, provided=_OF_THE_SITE)
async def renew(caller: Anybody, name: QueueName, form: Lease, queues: Queues, lease_s: Seconds) -> Response:
    return JsonReply(lease_view(await queues.renew(caller, name, form.id, form.lease, lease_s)))


@router.post(
    "/pipe/queue/{name}/release",
    response_model=Confirmation,
    responses=_CONFLICTS,
    summary="Give an item back that was lent out",
)
@access(Access.PUBLIC, audited=False, provided=_OF_THE_SITE, emits=(ItemEnqueued,))
async def release(caller: Anybody, name: QueueName, form: Lease, queues: Queues) -> Response:
    await queues.give_back(caller, name, form.id, form.lease)
    return JsonReply({"message": f"Item released: {form.id}"})


def _queue_name(form: JsonObject) -> str:
    name = form.get("queue_name")
    if not name:
        raise UsageError("Missing required field: queue_name")
    if not isinstance(name, str):
        raise UsageError("queue_name is a text.")
    return name


# --- for who looks after them -----------------------------------------------------------------------------------------

own = json_router("/api/queues", tag="queues")


class ChosenItems(Form):
    """Dead items, by id; without any, all of the queue."""

    items: list[str] | None = Field(None, max_length=1000)


class Requeued(TypedDict):
    """How many items can be taken again."""

    requeued: int


@own.get("", response_model=Page[QueueView], responses=BAD_FIELDS, summary="List the queues by name")
@access(Access.USER)
async def list_queues(request: Request, window: PageWindow, queues: Queues) -> Response:
    count, found = await queues.page(window)
    return page_reply(request, window, count, [queue_view(summary) for summary in found])


@own.get("/{name}", response_model=QueueView, responses=NOT_FOUND, summary="See how many items a queue has")
@access(Access.USER)
async def show_queue(name: QueueName, queues: Queues) -> Response:
    return JsonReply(queue_view(await queues.summary(name)))


@own.get(
    "/{name}/items",
    response_model=Page[HeldItemView],
    responses={**BAD_FIELDS, **FORBIDDEN, **NOT_FOUND},
    summary="List items of a queue in their order: those that wait, are lent out, or are dead",
)
@access(Access.USER, large_answer=True, provided=_OF_THE_SITE)
async def list_items(
    request: Request,
    caller: Caller,
    name: QueueName,
    window: PageWindow,
    queues: Queues,
    *,
    state: Group = Group.WAITING,
) -> Response:
    items = await queues.items(caller, name, state, window)
    count = (await queues.summary(name)).counts[state]
    return page_reply(request, window, count, [held_item_view(item) for item in items])


@own.post(
    "/{name}/requeue",
    response_model=Requeued,
    responses={**BAD_FIELDS, **FORBIDDEN, **NOT_FOUND},
    summary="Let dead items be taken again",
)
@access(Access.USER, provided=_OF_THE_SITE, emits=(ItemEnqueued,))
async def requeue(caller: Caller, name: QueueName, form: ChosenItems, queues: Queues) -> Response:
    return JsonReply({"requeued": await queues.requeue(caller, name, form.items)})
