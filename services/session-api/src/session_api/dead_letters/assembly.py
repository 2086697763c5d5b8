"""Puts dead letters together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.dead_letters import http
from session_api.dead_letters.service import DeadLetterService


def build(core: DocumentCore) -> Capability:
    """Return what shows operators which messages nobody could handle."""
    return Capability(routes=http.router.routes, services=[DeadLetterService(bus=core.bus)])
