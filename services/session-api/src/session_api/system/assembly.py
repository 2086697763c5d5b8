"""Puts together what is told of the system."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.system import http
from session_api.system.service import SystemService


def build(core: DocumentCore) -> Capability:
    """Return what shows operators which processes there are and what waits on the bus."""
    return Capability(routes=http.router.routes, services=[SystemService(core.bus)])
