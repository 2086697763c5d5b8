"""Puts downloads together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datalab.platform.assembly import Capability, Core
from datalab.platform.objects.links import Links
from session_api.archive.repository import FrameReader
from session_api.archive.service import Outputs
from session_api.downloads import frames_http, http
from session_api.downloads.finder import FileFinder
from session_api.downloads.runners import Runners
from session_api.downloads.service import DownloadService
from session_api.downloads.settings import DownloadSettings
from session_api.web.user import User


def build(
    core: Core,
    *,
    settings: DownloadSettings,
    max_answer_bytes: int,
    links: Links,
    frames: FrameReader,
    outputs: Outputs,
    authenticate: Callable[[str], Awaitable[User]],
) -> Capability:
    """Return what has files made, and links to them; `max_answer_bytes` is the largest part of an image."""
    service = DownloadService(
        finder=FileFinder(frames=frames, outputs=outputs, objects=core.objects),
        runners=Runners(bus=core.bus, patience_s=settings.download_patience_s, max_answer_bytes=max_answer_bytes),
        objects=core.objects,
        links=links,
        streams=settings.streamed_archives,
    )
    return Capability(
        routes=[*http.router.routes, *frames_http.router.routes],
        services=[service, frames_http.TokenReader(authenticate)],
    )
