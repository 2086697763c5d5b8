"""Operations as the caller may see them: those of sessions that are shared are seen by others than who started them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.events.envelope import utc_now
from session_api.archive.repository import FrameReader
from session_api.operations.model import Operation
from session_api.operations.outputs import OutputFinder
from session_api.operations.repository import OperationRepository
from session_api.operations.session_rights import SessionRights
from session_api.operations.vouching import Vouching
from session_api.web.user import User


class SeenOperations:
    """A result is seen as long as the caller may read the frames in it, or those who put them to use may.

    The frames themselves stay closed: of an operation that somebody else started, nobody sees entries of frames that
    they may not read.
    """

    def __init__(
        self,
        *,
        operations: OperationRepository,
        outputs: OutputFinder,
        rights: SessionRights,
        vouching: Vouching,
        frames: FrameReader,
    ) -> None:
        self._operations = operations
        self._outputs = outputs
        self._rights = rights
        self._vouching = vouching
        self._frames = frames

    async def seen(self, caller: User, operations: Sequence[Operation], *, now: datetime) -> list[Operation]:
        """Return operations of sessions that the caller may look at, as they see them. Raises `TransientError`."""
        made = [(each.owner, each.request.restrictions) for each in operations if each.result is not None]
        vouchers = await self._vouching.vouchers(caller, made, now=now)
        others = {each.id: each.frames() for each in operations if each.owner != caller.username}
        named = frozenset().union(*others.values())
        hidden = named - await self._frames.readable(caller.readable_proposals, named)
        return [
            (
                each
                if each.result is None or vouchers.may_see(caller, each.request.restrictions, owner=each.owner, now=now)
                else each.without_result()
            ).without_frames(hidden & others.get(each.id, frozenset()))
            for each in operations
        ]

    async def completed(self, caller: User, operation_id: int) -> Operation | None:
        """Return an operation that has a result, None if the caller may not look at it. Raises `TransientError`."""
        operation = await self._operations.find_any_completed(operation_id)
        if operation is None or operation.session_id not in await self._rights.roles(caller, [operation.session_id]):
            return None
        return (await self.seen(caller, [operation], now=utc_now()))[0]

    async def completed_with(self, caller: User, basename: str) -> Operation | None:
        """Return the latest operation that has made an output of this name, likewise. Raises `TransientError`."""
        made = (await self._outputs.find(caller, [basename])).get(basename)
        return None if made is None else await self.completed(caller, made.operation_id)
