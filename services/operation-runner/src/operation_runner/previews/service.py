"""From a request for pictures to pictures that are stored."""

from __future__ import annotations

from hashlib import sha256

from datalab.errors import UsageError
from datalab.events.envelope import derived_id, utc_now
from datalab.events.previews import PREVIEW_TYPE, MadePreview, PreviewFailed, PreviewMade, PreviewRequested
from datalab.platform.logging import get_logger
from operation_runner import SERVICE
from operation_runner.previews.metrics import PreviewMetrics
from operation_runner.previews.model import FitsTask, JpegTask, Objects, Painter, Pictures, Publisher, Scratch

_log = get_logger(__name__)

#: A JPEG has to be in memory, here and where it is decoded. That of a large camera in full size and best quality is
#: half of it.
_MOST_JPEG_BYTES = 64 * 1024**2


class Previews:
    """Makes pictures. The same request leads to the same pictures under the same keys, however often it comes."""

    def __init__(
        self, *, objects: Objects, scratch: Scratch, painter: Painter, publisher: Publisher, metrics: PreviewMetrics
    ) -> None:
        self._objects = objects
        self._scratch = scratch
        self._painter = painter
        self._publisher = publisher
        self._metrics = metrics

    async def make(self, request: PreviewRequested) -> None:
        """Make pictures, store them, say so; or say that there can be none. Raises `TransientError`."""
        try:
            pictures = await self._pictures(request)
        except UsageError as error:
            await self.give_up(request, error.message)
            return
        made = tuple([await self._stored(each.role, each.key, pictures[each.kind]) for each in request.wanted])
        await self._publisher.publish(
            PreviewMade(
                event_id=derived_id("preview.made", request.event_id),
                correlation_id=request.correlation_id,
                producer=SERVICE,
                basename=request.basename,
                source_sha256=request.source.sha256,
                previews=made,
            )
        )
        self._metrics.ended(request.lane, "made")

    async def give_up(self, request: PreviewRequested, reason: str) -> None:
        """Say that nothing can be made of a file. Raises `TransientError`."""
        _log.warning("preview.impossible", basename=request.basename, key=request.source.key, reason=reason)
        await self._publisher.publish(
            PreviewFailed(
                event_id=derived_id("preview.failed", request.event_id),
                correlation_id=request.correlation_id,
                producer=SERVICE,
                basename=request.basename,
                source_sha256=request.source.sha256,
                reason=reason,
            )
        )
        self._metrics.ended(request.lane, "impossible")

    async def _pictures(self, request: PreviewRequested) -> Pictures:
        source = request.source
        if source.content == "jpeg":
            content = await self._objects.get_bytes(source.key, max_bytes=_MOST_JPEG_BYTES)
            return await self._painter.paint(JpegTask(content=content, sha256=source.sha256))
        async with self._scratch.work_dir() as folder:
            path = folder / "image"
            await self._objects.fetch_file(source.key, path, expected_sha256=source.sha256, max_bytes=source.size_bytes)
            return await self._painter.paint(FitsTask(basename=request.basename, path=path, folder=folder))

    async def _stored(self, role: str, key: str, picture: bytes) -> MadePreview:
        etag = await self._objects.put_bytes(key, picture, content_type=PREVIEW_TYPE)
        return MadePreview(
            role=role,
            key=key,
            sha256=sha256(picture).hexdigest(),
            size_bytes=len(picture),
            etag=etag,
            stored_at=utc_now(),
        )
