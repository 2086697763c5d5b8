"""Puts sites together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.sites import http
from session_api.sites.repository import SiteRepository
from session_api.sites.service import SiteService
from session_api.uploads.open_sites import OpenSites


def build(core: DocumentCore, *, open_sites: OpenSites, max_answer_bytes: int) -> tuple[Capability, SiteService]:
    """Return what keeps the configurations of sites, and what others read them from.

    Its routes go last: in them, a site stands where those of others have words.
    """
    sites = SiteRepository(core.documents.database)
    service = SiteService(sites=sites, open_sites=open_sites, most_bytes=max_answer_bytes)
    return Capability(routes=http.router.routes, services=[service]), service
