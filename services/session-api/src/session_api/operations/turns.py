"""Fair shares of the runners: in each lane, a user has only so many operations before them at once.

The bus hands out requests in the order they came, so whoever asked for five hundred operations would have all others
wait. Here, what is beyond a user's share waits for its turn, in the order it was asked for, and takes it when another
operation of the same user ends. The share keeps every slot of the runners busy if nobody else is there, with about a
second of work in reserve: that is how long somebody who comes then waits, besides the operations that run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from datalab.errors import TransientError
from datalab.events.envelope import Event, utc_now
from datalab.events.operations import FailureKind, Lane, OperationReport, OperationSucceeded
from datalab.events.topology import RUNNERS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors
from datalab.platform.logging import get_logger
from session_api.operations.events import changed_event, requested_event
from session_api.operations.metrics import OperationMetrics
from session_api.operations.model import Operation, OperationStatus
from session_api.operations.repository import OperationRepository
from session_api.operations.rights import OwnerRights
from session_api.web.failures import InputRefusedError

_log = get_logger(__name__)

#: Work in reserve, in seconds of all slots; an operation nobody has timed yet is taken to need as long.
_RESERVE_S = 1.0
_MOST_IN_RESERVE = 32
_SHORTEST_S = 0.02
#: How much the latest duration counts against the earlier ones.
_WEIGHT = 0.3
_MOST_DURATIONS = 10_000
#: Operations that another process of the API starts are not known here before.
_ROOM_IS_TRUE_FOR_S = 2.0
#: What a user may read was looked at when the operation was asked for; its outputs are not shown to who may not.
_RIGHTS_HOLD_FOR = timedelta(seconds=60)
#: Until the bus has said how many runners ask it for work.
_ASSUMED_SLOTS = 4


class Shares:
    """How many operations of one user the runners get at once: as many as they compute, and a reserve."""

    def __init__(self) -> None:
        self._slots = dict.fromkeys(Lane, _ASSUMED_SLOTS)
        self._durations_s: OrderedDict[tuple[str, Lane], float] = OrderedDict()

    def of(self, owner: str, lane: Lane) -> int:
        """Return the share of a user in a lane."""
        return self._slots[lane] + self.reserve_of(owner, lane)

    def reserve_of(self, owner: str, lane: Lane) -> int:
        """Return how many operations of the share wait at the runners' door."""
        duration_s = max(self._durations_s.get((owner, lane), _RESERVE_S), _SHORTEST_S)
        return min(int(self._slots[lane] * _RESERVE_S / duration_s), _MOST_IN_RESERVE)

    def counted(self, lane: Lane, slots: int) -> None:
        """Take note of how many operations the runners of a lane can compute at once; of none, nothing follows."""
        self._slots[lane] = slots or self._slots[lane]

    def timed(self, owner: str, lane: Lane, duration_s: float) -> None:
        """Take note of how long an operation took."""
        known_s = self._durations_s.pop((owner, lane), duration_s)
        self._durations_s[owner, lane] = known_s + _WEIGHT * (duration_s - known_s)
        if len(self._durations_s) > _MOST_DURATIONS:
            self._durations_s.popitem(last=False)


@dataclass(slots=True)
class _Room:
    """How many operations more a user may have requested in a lane, when it was last counted."""

    left: int
    counted_at: float


class Turns:
    """Gives operations their turn. However many look at the same time, an operation is requested once.

    The store is asked no more often than it has to be: room that was counted is used up first, and who has nothing
    waiting is passed over. What another process knows of, the regular look finds.
    """

    def __init__(
        self,
        *,
        operations: OperationRepository,
        bus: Bus,
        rights: OwnerRights,
        shares: Shares,
        metrics: OperationMetrics,
    ) -> None:
        self._operations = operations
        self._bus = bus
        self._rights = rights
        self._shares = shares
        self._metrics = metrics
        self._rooms: dict[tuple[str, Lane], _Room] = {}
        #: Users of whom operations wait, each with the number of ends until there is room for several.
        self._waiting: dict[tuple[str, Lane], int] = {}

    async def placed(self, operation: Operation) -> Operation:
        """Return an operation that could start as one that waits for its turn, if its owner's share is used up."""
        lane = operation.lane
        if operation.status is not OperationStatus.PENDING or lane is None:
            return operation
        place = (operation.owner, lane)
        if place in self._waiting:
            return operation.queued()
        room = self._rooms.get(place)
        if room is None or room.left <= 0 or monotonic() - room.counted_at > _ROOM_IS_TRUE_FOR_S:
            room = self._rooms[place] = _Room(await self._room(*place), monotonic())
        if room.left <= 0:
            self._waiting.setdefault(place, 0)
            return operation.queued()
        room.left -= 1
        return operation

    async def after_end_of(self, operation: Operation, report: OperationReport | None = None) -> None:
        """Let the owner's next operations take their turn.

        Never raises `TransientError`: the end itself is stored, and `look_at_all` finds what was left.
        """
        if operation.lane is not None and isinstance(report, OperationSucceeded):
            self._shares.timed(operation.owner, operation.lane, report.compute_s)
        await self.pass_on(operation.owner)

    async def pass_on(self, owner: str) -> None:
        """Let a user's next operations take their turn. Never raises `TransientError`."""
        try:
            for lane in Lane:
                ends_left = self._waiting.get((owner, lane))
                if ends_left is None:
                    continue
                self._waiting[owner, lane] = ends_left - 1
                if ends_left <= 1:
                    await self._fill_share(owner, lane)
        except TransientError as error:
            _log.warning("turns.left_for_later", owner=owner, reason=error.message)

    async def look_at_all(self) -> None:
        """Count the slots there are, and give turns that nobody gave. Raises `TransientError`."""
        self._rooms.clear()
        for lane in Lane:
            self._shares.counted(lane, await self._slots(lane))
            for owner in await self._operations.find_any_queued_owners(lane):
                await self._fill_share(owner, lane)

    async def _slots(self, lane: Lane) -> int:
        consumer = RUNNERS[lane]
        with bus_errors(f"the consumer {consumer.name} cannot be asked"):
            info = await self._bus.jetstream.consumer_info(consumer.stream, consumer.name)
        # A slot either asks for a message, or has one.
        return (info.num_waiting or 0) + (info.num_ack_pending or 0)

    async def _room(self, owner: str, lane: Lane) -> int:
        share = self._shares.of(owner, lane)
        return share - await self._operations.count_any_under_way(owner, lane, most=share)

    async def _fill_share(self, owner: str, lane: Lane) -> None:
        room = max(await self._room(owner, lane), 0)
        first = await self._operations.find_any_queued(owner, lane, limit=room + 1)
        await self._start(first[:room])
        if len(first) <= room:
            self._waiting.pop((owner, lane), None)  # none is left: the next one is asked for at once
        else:
            # Room for several is filled by one look.
            self._waiting[owner, lane] = max(self._shares.reserve_of(owner, lane) // 2, 1)

    async def _start(self, operations: Sequence[Operation]) -> None:
        """Request operations, or end those whose owner may not have them any more.

        Somebody else may have given one its turn, or stopped it: then it stays so.
        """
        now = utc_now()
        changes: list[tuple[Operation, Operation, list[Event]]] = []
        for operation in operations:
            after = operation.called(now=now)
            try:
                if now - operation.requested_at > _RIGHTS_HOLD_FOR:
                    await self._rights.owner_of(operation, now=now)
                else:
                    await self._rights.demand_place(operation)
            except InputRefusedError as refusal:
                after = operation.failed(refusal.text, FailureKind.USAGE, now=now)
                self._metrics.finished(after.status, after.failure_kind)
            # Clients were told `PENDING` before.
            changes.append((operation, after, [changed_event(after)] if after.finished else [requested_event(after)]))
        await self._operations.replace_each(changes)
