"""What is asked for of a picture: it is there already, and no runner needs to look at it."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import orjson

from datalab.errors import UsageError
from datalab.events.operations import OutputFile
from datalab.platform.objects.links import Links

#: The largest JPEG there can be of a colour image; beyond, it is taken by its link.
_LARGEST_JPEG_BYTES = 64 * 1024**2


class ReadableObjects(Protocol):
    """As much of the object store as is needed here."""

    async def get_bytes(self, key: str, *, max_bytes: int) -> bytes: ...


class Pictures:
    """Answers for outputs that are pictures, in the form that runners answer for images."""

    def __init__(self, *, objects: ReadableObjects, links: Links) -> None:
        self._objects = objects
        self._links = links
        self._answers: Mapping[str, Callable[[OutputFile], Awaitable[dict[str, str]]]] = {
            "get-tif": self._tif,
            "get-jpg": self._jpg,
        }

    def answers(self, action: str) -> bool:
        """Tell whether an action can be answered for a picture."""
        return action in self._answers

    async def answer(self, action: str, picture: OutputFile) -> bytes:
        """Return the answer, a JSON text. Raises `UsageError`, `TransientError`."""
        return orjson.dumps(await self._answers[action](picture))

    async def _tif(self, picture: OutputFile) -> dict[str, str]:
        stored = picture.files.get("tif")
        if stored is None:
            raise UsageError(f"{picture.basename} has no TIFF")
        filename = f"{picture.basename}.tif"
        return {"tif_url": self._links.sign_get(stored.key, content_type=stored.media_type, filename=filename)}

    async def _jpg(self, picture: OutputFile) -> dict[str, str]:
        """A picture has no levels to choose: it is shown as it is."""
        stored = picture.files.get("large")
        if stored is None:
            raise UsageError(f"{picture.basename} has no JPEG")
        jpeg = await self._objects.get_bytes(stored.key, max_bytes=_LARGEST_JPEG_BYTES)
        return {"jpg_base64": base64.b64encode(jpeg).decode("ascii")}
