"""Puts jobs together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.jobs import http
from session_api.jobs.repository import JobRepository
from session_api.jobs.service import JobService
from session_api.jobs.settings import JobSettings
from session_api.uploads.open_sites import OpenSites
from session_api.web.write_limits import WriteLimits


def build(core: DocumentCore, *, settings: JobSettings, open_sites: OpenSites, max_answer_bytes: int) -> Capability:
    """Return what keeps the jobs of observatories."""
    jobs = JobRepository(database=core.documents.database, relay=core.relay)
    service = JobService(
        jobs=jobs,
        open_sites=open_sites,
        limits=_limits("changes of jobs", settings),
        calling_off=_limits("jobs called off", settings),
        settings=settings,
        max_answer_bytes=max_answer_bytes,
    )
    return Capability(routes=http.router.routes, services=[service], indexes=[jobs.ensure_indexes])


def _limits(what: str, settings: JobSettings) -> WriteLimits:
    return WriteLimits(
        what=what,
        site_per_minute=settings.job_changes_per_minute,
        address_per_minute=settings.job_changes_address_per_minute,
    )
