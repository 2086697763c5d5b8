"""Puts names together."""

from __future__ import annotations

from datetime import timedelta

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.names import http
from session_api.names.repository import NameRepository
from session_api.names.service import NameService
from session_api.names.settings import NameSettings
from session_api.names.simbad import Simbad


def build(core: DocumentCore, *, settings: NameSettings) -> Capability:
    """Return what finds objects by their names."""
    names = NameRepository(core.documents.database)
    simbad = Simbad(url=settings.name_service_url, timeout_s=settings.name_service_timeout_s)
    service = NameService(names=names, simbad=simbad, keep=timedelta(days=settings.known_names_keep_days))
    return Capability(routes=http.router.routes, services=[service], resources=[simbad], indexes=[names.ensure_indexes])
