"""Puts night logs together."""

from __future__ import annotations

from datetime import timedelta

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.night_logs import http
from session_api.night_logs.repository import NoteRepository
from session_api.night_logs.service import NightLogService
from session_api.night_logs.settings import NightLogSettings
from session_api.web.write_limits import WriteLimits


def build(core: DocumentCore, *, settings: NightLogSettings, max_answer_bytes: int) -> Capability:
    """Return what keeps the notes of sites."""
    notes = NoteRepository(database=core.documents.database, relay=core.relay)
    service = NightLogService(
        notes=notes,
        limits=WriteLimits(
            what="notes",
            site_per_minute=settings.night_log_per_minute,
            address_per_minute=settings.night_log_address_per_minute,
        ),
        history=timedelta(days=settings.night_log_history_days),
        max_answer_bytes=max_answer_bytes,
    )
    return Capability(routes=http.router.routes, services=[service], indexes=[notes.ensure_indexes])
