"""Sessions as clients see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from session_api.operations.views import OperationPresenter, OperationView
from session_api.sessions.service import SessionWithOperations
from session_api.web.bodies import JsonObject
from session_api.web.replies import shown_datetime

_UNKNOWN = (
    "only where items were given: names among them under which the archive has no frame you may read now; the items "
    "are kept, as the frames may be on their way"
)


class SessionView(TypedDict):
    """A session with the latest of its operations, as many as fit; `operations_count` tells how many there are."""

    id: int
    operations: list[OperationView]
    user: str
    name: str
    input_data: list[JsonObject]
    created: str
    accessed: str
    modified: str
    operations_count: int
    unknown_frames: NotRequired[Annotated[list[str], Field(description=_UNKNOWN)]]


class SessionPresenter:
    """Makes views of sessions. Every method raises `TransientError` when a result stored apart cannot be read."""

    def __init__(self, *, operations: OperationPresenter) -> None:
        self._operations = operations

    async def session(self, found: SessionWithOperations, *, unknown_frames: Sequence[str] = ()) -> SessionView:
        """Return a session with its operations, and what is to be said of items that were just given."""
        session = found.session
        view = SessionView(
            id=session.id,
            operations=await self._operations.operations(found.operations),
            user=session.owner,
            name=session.name,
            input_data=list(session.input_data),
            created=shown_datetime(session.created),
            accessed=shown_datetime(session.accessed),
            modified=shown_datetime(session.modified),
            operations_count=found.operations_count,
        )
        if unknown_frames:
            view["unknown_frames"] = list(unknown_frames)
        return view

    async def sessions(self, found: Iterable[SessionWithOperations]) -> list[SessionView]:
        """Return several sessions."""
        return [await self.session(each) for each in found]
