"""`/api/dead-letters`: messages nobody could handle, for operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.dead_letters.service import DeadLetterService
from session_api.web.access import Access, access
from session_api.web.bodies import FORBIDDEN
from session_api.web.dependencies import provided
from session_api.web.replies import JsonReply
from session_api.web.strict_json import json_router

router = json_router("/api/dead-letters", tag="operation", errors=FORBIDDEN)


class DeadLetterView(TypedDict):
    """A message: who should have handled it, where it was published, and why it could not be."""

    number: int
    consumer: str
    subject: str
    reason: str
    size_bytes: int


@router.get("", response_model=list[DeadLetterView], summary="List the latest dead letters, the newest first")
@access(Access.OPERATOR)
async def list_letters(letters: Annotated[DeadLetterService, provided(DeadLetterService)]) -> Response:
    return JsonReply([asdict(letter) for letter in await letters.latest()])
