"""Puts queues together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from session_api.queues import http
from session_api.queues.repository import ItemRepository, QueueRepository
from session_api.queues.service import QueueService
from session_api.queues.settings import QueueSettings
from session_api.uploads.open_sites import OpenSites

_CLEAR_AWAY_S = 300.0


def build(core: DocumentCore, *, settings: QueueSettings, open_sites: OpenSites, max_answer_bytes: int) -> Capability:
    """Return what keeps the queues."""
    queues = QueueRepository(core.documents.database)
    items = ItemRepository(database=core.documents.database, relay=core.relay)
    service = QueueService(
        queues=queues, items=items, open_sites=open_sites, settings=settings, max_answer_bytes=max_answer_bytes
    )
    return Capability(
        routes=[*http.router.routes, *http.own.routes],
        services=[service],
        indexes=[queues.ensure_indexes, items.ensure_indexes],
        periodic=[Periodic(name="queues that ended", every_s=_CLEAR_AWAY_S, work=service.clear_away)],
    )
