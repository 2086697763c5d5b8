"""Puts jobs together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.jobs import http
from session_api.jobs.repository import JobRepository
from session_api.jobs.service import JobService
from session_api.jobs.settings import JobSettings
from session_api.uploads.open_sites import OpenSites


def build(core: DocumentCore, *, settings: JobSettings, open_sites: OpenSites, max_answer_bytes: int) -> Capability:
    """Return what keeps the jobs of observatories."""
    jobs = JobRepository(database=core.documents.database, relay=core.relay)
    service = JobService(jobs=jobs, open_sites=open_sites, settings=settings, max_answer_bytes=max_answer_bytes)
    return Capability(routes=http.router.routes, services=[service], indexes=[jobs.ensure_indexes])
