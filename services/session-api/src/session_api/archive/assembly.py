"""Puts the archive together, as far as this service reads it."""

from __future__ import annotations

from datalab.platform.assembly import Capability, DocumentCore
from session_api.archive.repository import MongoFrameRepository


def build(core: DocumentCore) -> tuple[Capability, MongoFrameRepository]:
    """Return the capability, and its frames."""
    return Capability(), MongoFrameRepository(core.documents.database)
