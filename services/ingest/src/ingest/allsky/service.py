"""Files of all-sky images."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from datalab.documents.file_names import FileName, allsky_image_name
from datalab.documents.frame import FrameFile
from datalab.documents.upload import Outcome
from datalab.errors import UsageError
from datalab.events.envelope import utc_now
from datalab.platform.documents.collection import until_won
from ingest.allsky.model import allsky_image_ingested, is_news, stored_file, with_file
from ingest.allsky.repository import AllskyImageRepository
from ingest.frames.model import FrameHeader
from ingest.uploads.model import KNOWN, Said, Settlement, StoredVersion, is_known

_MOST_RACES = 50


class AllskyImages:
    """Everything may be repeated, in any order and at the same time. Every method may raise `TransientError`."""

    name_of: ClassVar = staticmethod(allsky_image_name)

    def __init__(self, *, images: AllskyImageRepository, keep: timedelta) -> None:
        self._images = images
        self._keep = keep

    async def settled(self, said: Said, *, name: FileName, site: str, stored: StoredVersion) -> Settlement | None:
        """Return what became of a file that its image has, None for one it has not."""
        image = await self._images.find(name.basename)
        file = image.files.get(name.role) if image and image.site == site else None
        return Settlement(Outcome.UNCHANGED, KNOWN) if is_known(file, said, stored) else None

    async def add(
        self, said: Said, *, name: FileName, site: str, file: FrameFile, header: FrameHeader | None
    ) -> Settlement:
        """Make a file part of its image. Raises `UsageError` for one that is too old to be shown."""
        if file.stored_at + self._keep <= utc_now():
            raise UsageError(f"the file was stored at {file.stored_at:%Y-%m-%d %H:%M} UTC, too long ago to be shown")
        described = stored_file(file)

        async def save() -> Settlement:
            before = await self._images.find(name.basename)
            after = with_file(
                before, site=site, name=name, file=described, header=header, keep=self._keep, now=utc_now()
            )
            if after is before:
                return Settlement(Outcome.UNCHANGED)
            news = is_news(before, after, name.role)
            event = allsky_image_ingested(after, role=name.role, correlation_id=said.correlation_id)
            await self._images.save(after, [event] if news else [])
            return Settlement(Outcome.INGESTED if news else Outcome.UNCHANGED)

        return await until_won(save, races=_MOST_RACES, of=f"all-sky image {name.basename!r}")
