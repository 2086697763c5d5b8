"""What the service and its inspecting processes say to each other."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from ingest.frames.model import Inspection
from ingest.frames.names import Content


class InspectionRequest(BaseModel):
    """Look inside this file."""

    path: Path
    content: Content
    compression: str


class InspectionReply(BaseModel):
    """What was found: an inspection, what is wrong with the file, or the name of an error nobody foresaw."""

    inspection: Inspection | None = None
    fault: str | None = None
    bug: str | None = None
