"""An info image: the picture a site shows on one of its channels, of whatever files of it have come.

Ingest writes these documents, the session API shows them.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from datalab.documents.document import ASCENDING, Index, StoredDocument
from datalab.documents.frame import FrameFile
from datalab.events.envelope import UtcDatetime

COLLECTION = "info_images"
CHANNELS = (1, 2, 3)
#: Removed by the store, whose look may come a minute late.
INDEXES = (Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),)


class ChannelImage(StoredDocument):
    """An image that was meant for a channel: its files by role, and for each when it was first and last asked for."""

    basename: str
    data_type: str
    file_date: str
    files: dict[str, FrameFile] = Field(default_factory=dict)
    header: dict[str, JsonValue] | None = None
    header_role: str | None = None
    first_asked: dict[str, UtcDatetime]
    last_asked: dict[str, UtcDatetime]

    @property
    def begun(self) -> datetime:
        """Since when the channel is to show it.

        That is when the first of its files was asked for: the others belong to the same image, however late they are.
        A file that is asked for a second time begins anew: somebody sends the image again.
        """
        again = [moment for role, moment in self.last_asked.items() if moment > self.first_asked[role]]
        return max([min(self.first_asked.values()), *again])


class InfoImageDocument(StoredDocument):
    """What a channel of a site shows; `files` by role, as those of frames.

    `images` has the latest images of the channel, the one shown among them: of two it is the one that was asked for
    later, whichever comes later. `revision` grows with every change.
    """

    place: str = Field(alias="_id")
    basename: str
    data_type: str
    file_date: str
    files: dict[str, FrameFile]
    header: dict[str, JsonValue] | None = None
    images: tuple[ChannelImage, ...] = ()
    created: UtcDatetime | None = None
    revision: int = 1
    expires_at: UtcDatetime


def place_of(site: str, channel: int | str) -> str:
    """Return the id of the document of a site's channel."""
    return f"{site}#{channel}"


def places_of(site: str) -> list[str]:
    """Return the ids of the documents of all of a site's channels."""
    return [place_of(site, channel) for channel in CHANNELS]
