"""Puts the archive together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.objects.links import Links
from datalab.platform.periodic import Periodic
from session_api.archive import http, images_http, pictures_http
from session_api.archive.images import ImageService
from session_api.archive.repository import AllskyImageReader, FrameReader, InfoImageReader, UploadReader
from session_api.archive.service import FrameService, Outputs
from session_api.archive.tallies import FrameTallies
from session_api.archive.uploads import AllskyImages, InfoImages, UploadLog
from session_api.archive.views import FramePresenter

#: What changed meanwhile is read when somebody asks.
_TALLIES_EVERY_S = 30.0


def build(core: DocumentCore, *, frames: FrameReader, outputs: Outputs, links: Links) -> Capability:
    """Return what answers questions about frames."""
    tallies = FrameTallies(core.documents.database)
    return Capability(
        routes=[
            *http.router.routes,
            *http.root_router.routes,
            *http.thumbnails_router.routes,
            *images_http.router.routes,
            *pictures_http.router.routes,
        ],
        services=[
            FrameService(frames=frames, tallies=tallies, outputs=outputs),
            FramePresenter(links=links),
            ImageService(frames=frames, links=links),
            UploadLog(uploads=UploadReader(core.documents.database), frames=frames),
            InfoImages(images=InfoImageReader(core.documents.database), links=links),
            AllskyImages(images=AllskyImageReader(core.documents.database), links=links),
        ],
        periodic=[Periodic(name="tallies", every_s=_TALLIES_EVERY_S, first_after_s=0.0, work=tallies.read)],
    )
