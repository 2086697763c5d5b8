"""`/api/dead-letters`: messages nobody could handle, for operators."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Request
from starlette.responses import Response

from datalab.platform.bus.dead_letters import DeadLetters, NotResendableError
from session_api.dead_letters.views import DeadLetterView, OpenedLetterView, letter_view, opened_view
from session_api.web.access import Access, access
from session_api.web.bodies import CONFLICT, FORBIDDEN, NOT_FOUND, Confirmation
from session_api.web.delivery import UNCHANGED, delivered, unchanged
from session_api.web.dependencies import RowId, provided
from session_api.web.failures import ConflictError
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

router = json_router("/api/dead-letters", tag="system", errors=FORBIDDEN)

#: What is listed at once, and read through to find them, in messages.
MOST: Final = 1000

Letters = Annotated[DeadLetters, provided(DeadLetters)]


@router.get(
    "",
    response_model=list[DeadLetterView],
    responses=UNCHANGED,
    summary="List the latest dead letters, the newest first",
)
@access(Access.OPERATOR)
async def list_letters(request: Request, letters: Letters) -> Response:
    tag = await letters.version()  # far less work than the list, which is asked for again and again
    known = unchanged(request, tag)
    if known is not None:
        return known
    listed = [letter_view(letter) for letter in reversed(await letters.latest(MOST))]
    return await delivered(request, JsonReply(listed), tag=tag)


@router.get(
    "/{number}",
    response_model=OpenedLetterView,
    responses=NOT_FOUND,
    summary="Read a dead letter; who did is in the audit log",
)
@access(Access.OPERATOR, writes=True)  # what it says may be private
async def read_letter(number: RowId, letters: Letters) -> Response:
    return JsonReply(opened_view(await letters.find(number)))


@router.post(
    "/{number}/requeue",
    response_model=Confirmation,
    responses={**NOT_FOUND, **CONFLICT},
    summary="Publish a message again where it came from, and take it off the list",
)
@access(Access.OPERATOR)
async def requeue_letter(number: RowId, letters: Letters) -> Response:
    try:
        letter = await letters.requeue(number)
    except NotResendableError as error:
        raise ConflictError(error.message) from error
    return JsonReply(Confirmation(message=f"Published again on {letter.subject}."))


@router.delete("/{number}", status_code=204, responses=NOT_FOUND, summary="Throw a dead letter away")
@access(Access.OPERATOR)
async def discard_letter(number: RowId, letters: Letters) -> Response:
    await letters.discard(number)
    return empty_reply()
