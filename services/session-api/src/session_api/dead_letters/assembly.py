"""Puts dead letters together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.bus.dead_letters import DeadLetters
from datalab.platform.documents.core import DocumentCore
from session_api.dead_letters import http


def build(core: DocumentCore) -> Capability:
    """Return what shows operators which messages nobody could handle, and lets them decide what becomes of each."""
    return Capability(routes=http.router.routes, services=[DeadLetters(core.bus)])
