"""What sites say of their devices, weather and roof, several times a second: for whoever listens now."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from datalab.events.envelope import Event, SubjectToken


class SiteStatusChanged(Event):
    """A site has said how one kind of its things is. Not stored: REST shows the last one, and the next one follows."""

    type: Literal["site-status.changed.v1"] = "site-status.changed.v1"
    site: SubjectToken
    kind: SubjectToken = Field(description="for example device, weather, enclosure")
    status: dict[str, Any] = Field(description="any JSON object")
    server_timestamp_ms: int = Field(description="when it was taken in, in milliseconds since 1970")

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.site}"
