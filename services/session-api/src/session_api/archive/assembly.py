"""Puts the archive together, as far as this service reads it."""

from __future__ import annotations

from dataclasses import dataclass

from datalab.platform.assembly import Capability, DocumentCore
from session_api.archive.repository import MongoFrameRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The capability, and its frames."""

    capability: Capability
    frames: MongoFrameRepository


def build(core: DocumentCore) -> Archive:
    return Archive(capability=Capability(), frames=MongoFrameRepository(core.documents.database))
