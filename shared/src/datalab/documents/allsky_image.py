"""An image of the whole sky over a site. Ingest writes these documents, the session API shows the latest."""

from __future__ import annotations

from pydantic import Field, JsonValue, computed_field

from datalab.documents.document import ASCENDING, DESCENDING, Index, StoredDocument
from datalab.documents.frame import FrameFile
from datalab.events.envelope import UtcDatetime

COLLECTION = "allsky_images"
#: How the roles of pictures to look at begin, best first.
PICTURE_KINDS = ("jpg", "jpeg", "png", "gif")
NEWEST_FIRST = (("taken_at", DESCENDING), ("_id", DESCENDING))
INDEXES = (
    Index(fields=(("site", ASCENDING), ("has_picture", ASCENDING), *NEWEST_FIRST)),
    Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),
)


class AllskyImageDocument(StoredDocument):
    """An image, by the name its files have in common. `taken_at` is when its file came, until a header says better.

    Removed by the store at `expires_at`. `revision` grows with every change.
    """

    basename: str = Field(alias="_id")
    site: str
    data_type: str | None = None
    file_date: str | None = None
    files: dict[str, FrameFile]
    header: dict[str, JsonValue] | None = None
    header_role: str | None = None
    observation_date: UtcDatetime | None = None
    taken_at: UtcDatetime
    created: UtcDatetime
    revision: int = 1
    expires_at: UtcDatetime

    @property
    def picture(self) -> FrameFile | None:
        """The file to show: a JPEG if there is one, of several the largest."""
        by_kind = {
            kind: [self.files[role] for role in sorted(self.files) if role.partition("_")[0] == kind]
            for kind in PICTURE_KINDS
        }
        return next((file for files in by_kind.values() for file in files), None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def has_picture(self) -> bool:
        return self.picture is not None
