"""Has the running servers take note of sites that come and go.

The bus is told by the command that makes the change, as everywhere. The object store of one machine knows its keys from
its start only.
"""

from __future__ import annotations

from datalab.local.access import AccessFolder
from datalab.local.servers import S3Server
from datalab.local.supervisor import Supervisor

#: How long a new key may be unknown to the store.
LOOK_EVERY_S = 0.5


class SiteFollower:
    """Starts the object store again when the list of sites has changed."""

    def __init__(self, *, access: AccessFolder, supervisor: Supervisor) -> None:
        self._access = access
        self._supervisor = supervisor
        self._seen = access.changed_at_ns()

    async def look(self) -> None:
        """Look once."""
        changed_at = self._access.changed_at_ns()
        if changed_at != self._seen:
            await self._supervisor.take_down(S3Server.name)
            await self._supervisor.bring_up(S3Server.name)
            self._seen = changed_at
