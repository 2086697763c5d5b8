"""What each process says of itself, for whoever looks after the system."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

import datalab
from datalab.errors import TransientError
from datalab.events.envelope import new_id, utc_now
from datalab.events.processes import ProcessDescribed
from datalab.events.topology import PROCESSES
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import BUS_ERRORS, bus_errors
from datalab.platform.health import Health
from datalab.platform.periodic import Periodic
from datalab.platform.tasks import end_tasks

#: Who is looked at changes in seconds; who is not costs one small message in that time.
EVERY_S: Final = 5.0


class Presence:
    """Writes what a process is and does into a key-value bucket, again and again, and takes it out at the end.

    A process that was killed stays there, older and older, until the bucket forgets it.
    """

    def __init__(self, *, bus: Bus, service: str, health: Health) -> None:
        self._bus = bus
        self._service = service
        self._health = health
        self._id = new_id()
        self._started_at = utc_now()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the bus is connected."""
        work = Periodic(name="presence", every_s=EVERY_S, work=self._say, first_after_s=0)
        self._task = asyncio.create_task(work.repeat(), name=work.name)

    async def stop(self) -> None:
        """Say nothing more, and be gone from the list."""
        if self._task is None:
            return
        await end_tasks(self._task)
        with suppress(TransientError, *BUS_ERRORS):  # the bucket forgets it by itself
            await (await self._bus.key_value(PROCESSES)).delete(self._id)

    async def _say(self) -> None:
        described = ProcessDescribed(
            producer=self._service,
            process_id=self._id,
            service=self._service,
            host=socket.gethostname(),
            version=datalab.__version__,
            started_at=self._started_at,
            dependencies=(await self._health.readiness()).dependencies,
            slots=self._bus.slots,
            in_hand=self._bus.work_in_hand,
        )
        bucket = await self._bus.key_value(PROCESSES)
        with bus_errors("what this process does cannot be told"):
            await bucket.put(self._id, described.encode())
