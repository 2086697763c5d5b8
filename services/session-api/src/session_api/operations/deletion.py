"""Deleting operations: used for some of a session's, and for all when the session goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.events.envelope import Event
from session_api.operations.dependents import Dependents
from session_api.operations.model import OperationHandle, cancel_event, deleted_event
from session_api.operations.repository import OperationRepository


async def delete_operations(
    operations: OperationRepository,
    dependents: Dependents,
    *,
    owner: str,
    session_id: int,
    announce: bool,
    now: datetime,
    ids: Sequence[int] | None = None,
) -> int:
    """Delete a session's operations, or those of them with one of the ids, and return how many there were.

    Those that are not finished are stopped, and what waits for them fails. With `announce` the feed tells of each.
    """

    def events(operation: OperationHandle) -> list[Event]:
        stop = [] if operation.finished else [cancel_event(operation)]
        tell = [deleted_event(operation, session_id=session_id, owner=owner)] if announce else []
        return [*stop, *tell]

    handles = await operations.handles(owner, session_id, ids)
    deletions = {operation.id: events(operation) for operation in handles}
    deleted = await operations.mark_deleted(owner, session_id, deletions, now=now)
    await dependents.after_end_of(list(deletions))
    return deleted
