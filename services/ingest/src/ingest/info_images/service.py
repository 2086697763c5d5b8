"""Files of info images: each becomes part of what a channel of its site shows."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from datalab.documents.file_names import FileName, info_image_name
from datalab.documents.frame import FrameFile
from datalab.documents.info_image import InfoImageDocument
from datalab.documents.upload import Outcome
from datalab.errors import UsageError
from datalab.events.envelope import utc_now
from datalab.platform.documents.collection import until_won
from ingest.frames.model import FrameHeader
from ingest.info_images.model import Asked, ImageFile, info_image_ingested, is_news, with_file
from ingest.info_images.repository import InfoImageRepository
from ingest.uploads.model import KNOWN, Said, Settlement, StoredVersion, is_known

#: Writers of one channel at the same time: the files of some images, each told of by several.
_MOST_RACES = 50


class NoChannelError(UsageError):
    """Nobody has said on which channel a file is to be shown, or not yet."""

    def __init__(self) -> None:
        super().__init__(
            "nobody has said on which channel the info image is to be shown: ask for the file at /upload with "
            "info_channel 1, 2 or 3, or announce it with a channel"
        )


class InfoImages:
    """Everything may be repeated, in any order and at the same time. Every method may raise `TransientError`.

    Which channel a file is for, its announcement says, or the latest ticket it was asked for with.
    """

    name_of: ClassVar = staticmethod(info_image_name)

    def __init__(self, *, images: InfoImageRepository, keep: timedelta) -> None:
        self._images = images
        self._keep = keep

    async def settled(self, said: Said, *, name: FileName, site: str, stored: StoredVersion) -> Settlement | None:
        """Return what became of a file of which all is known, None for one to be looked at. Raises `NoChannelError`."""
        asked = await self._asked(said)
        if asked is None:
            known = [each for each in await self._images.of_site(site) if is_known(_file_of(each, name), said, stored)]
            if not known:
                raise NoChannelError
            return _settlement(known[0], name, Outcome.UNCHANGED)  # somebody said before where it is shown
        document = await self._images.find(site, asked.channel)
        if document is None or not is_known(_file_of(document, name), said, stored):
            return None
        image = next(each for each in document.images if each.basename == name.basename)
        if asked.first < image.first_asked[name.role] or asked.last > image.last_asked[name.role]:
            return None
        return _settlement(document, name, Outcome.UNCHANGED)

    async def add(
        self, said: Said, *, name: FileName, site: str, file: FrameFile, header: FrameHeader | None
    ) -> Settlement:
        """Make a file part of what its channel shows. Raises `NoChannelError`."""
        asked = await self._asked(said)
        if asked is None:
            raise NoChannelError
        # In the reference it is the text that brings the header.
        cards = header.cards if header is not None and header.source == "text" else None
        image_file = ImageFile(name=name, file=file, header=cards)

        async def save() -> Settlement:
            before = await self._images.find(site, asked.channel)
            after = with_file(before, site=site, asked=asked, image_file=image_file, keep=self._keep, now=utc_now())
            if after is before:
                return Settlement(Outcome.UNCHANGED)
            news = is_news(before, after)
            event = info_image_ingested(
                after, site=site, channel=asked.channel, role=name.role, correlation_id=said.correlation_id
            )
            await self._images.save(after, [event] if news else [])
            return _settlement(after, name, Outcome.INGESTED if news else Outcome.UNCHANGED)

        return await until_won(save, races=_MOST_RACES, of=f"channel {asked.channel} of site {site}")

    async def _asked(self, said: Said) -> Asked | None:
        if said.channel is not None:
            moment = min(said.at or utc_now(), utc_now())  # a clock that is ahead must not block the channel
            return Asked(channel=said.channel, first=moment, last=moment)
        return await self._images.asked(said.key)


def _file_of(document: InfoImageDocument, name: FileName) -> FrameFile | None:
    return next((image.files.get(name.role) for image in document.images if image.basename == name.basename), None)


def _settlement(document: InfoImageDocument, name: FileName, outcome: Outcome) -> Settlement:
    """Return what became of a file that is known: nothing, if its channel shows another image."""
    if document.basename != name.basename:
        channel = document.place.rpartition("#")[2]
        return Settlement(Outcome.IGNORED, f"channel {channel} shows {document.basename}, which was asked for later")
    return Settlement(outcome, KNOWN if outcome is Outcome.UNCHANGED else None)
