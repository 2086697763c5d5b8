"""Statuses this process has stored last: what a site says next is merged into it without reading it again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from session_api.status.model import SiteStatus

#: Thirty sites with six kinds of 20 KB are 4 MB; what is forgotten is read again.
_MOST_BYTES: Final = 16 * 1024**2


class KnownStatuses:
    """The latest, up to a number of bytes; that another process has stored another one since is found on writing."""

    def __init__(self, *, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._statuses: OrderedDict[str, SiteStatus] = OrderedDict()

    def get(self, status_id: str) -> SiteStatus | None:
        return self._statuses.get(status_id)

    def put(self, status: SiteStatus) -> None:
        self.forget(status.status_id)
        self._statuses[status.status_id] = status
        self._bytes += len(status.status)
        while self._bytes > self._most_bytes:
            self.forget(next(iter(self._statuses)))

    def forget(self, status_id: str) -> None:
        known = self._statuses.pop(status_id, None)
        if known is not None:
            self._bytes -= len(known.status)
