"""Puts statuses of PIPE machines together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.pipe_statuses import http
from session_api.pipe_statuses.repository import PipeStatusRepository
from session_api.pipe_statuses.service import PipeStatusService
from session_api.uploads.open_sites import OpenSites


def build(core: DocumentCore, *, open_sites: OpenSites) -> Capability:
    """Return what keeps the statuses of PIPE machines."""
    statuses = PipeStatusRepository(core.documents.database)
    return Capability(
        routes=http.router.routes,
        services=[PipeStatusService(statuses=statuses, open_sites=open_sites)],
        indexes=[statuses.ensure_indexes],
    )
