"""Images that sites show beside their frames: on their channels, and of the whole sky."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datalab.events.envelope import Event, SubjectToken, UtcDatetime


class _SiteImageIngested(Event):
    """`roles` are those of every file the image has now, `key` is that of the file that brought the news."""

    site: SubjectToken
    basename: str
    key: str
    roles: tuple[str, ...] = Field(description="for example jpg_10, txt_00")

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.site}"


class InfoImageIngested(_SiteImageIngested):
    """A channel of a site shows another image, or more of it than before."""

    type: Literal["info-image.ingested.v1"] = "info-image.ingested.v1"
    channel: int = Field(ge=1, le=3)


class AllskyImageIngested(_SiteImageIngested):
    """There is a new image of the whole sky over a site, or more of it than before."""

    type: Literal["allsky-image.ingested.v1"] = "allsky-image.ingested.v1"
    taken_at: UtcDatetime
