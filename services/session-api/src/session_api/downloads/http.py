"""`/download` and `/downloadzip`: files made for somebody to save, as clients of the Photon Ranch API ask for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.analysis import AnalysisRequested
from datalab.events.archives import ArchiveRequested
from session_api.downloads.model import StillBeingMadeError, wanted_archive, wanted_download
from session_api.downloads.service import DownloadService
from session_api.web.access import READABLE, Access, access
from session_api.web.dependencies import Anybody, CorrelationId, provided
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, WAITED, TextReply, photon_ranch_router
from session_api.web.replies import JsonReply

#: How long a client should wait before it asks again for what is being made, in seconds.
_RETRY_AFTER_S = 5

Downloads = Annotated[DownloadService, provided(DownloadService)]
Text = Annotated[str, StringConstraints(max_length=256)]

router = photon_ranch_router(tag="downloads")


class DownloadRequest(BaseModel):
    """A file, and the form it is wanted in."""

    model_config = ConfigDict(extra="ignore", strict=True)

    object_name: str = Field(description="full name of the file")
    s3_directory: str = Field("data", description="`data`, `info-images`, `allsky` or `test`")
    image_type: Text | None = Field(
        None, description="`fits` (also `fits.fz`, `fz`), the usual form; `tif`, `tiff`; anything else: as it is"
    )
    stretch: Text | None = Field(None, description="of a TIFF: `arcsinh`, the usual one, or `linear`")


class ArchiveRequest(BaseModel):
    """Images of a site."""

    model_config = ConfigDict(extra="ignore", strict=True)

    start_timestamp_s: JsonValue = Field(description="captured then or later, unix seconds")
    end_timestamp_s: JsonValue = Field(description="captured then or earlier, unix seconds")
    fits_size: Text = Field(description="`small`, `large`, or `best`: large where there is one")
    site: Text


class ArchiveLink(TypedDict):
    """Where the archive is."""

    message: str


@router.post(
    "/download",
    response_class=Response,
    responses={200: TEXT, **TEXT_ERRORS, **WAITED},
    summary="Ask for a file, as FITS, TIFF or as it is",
)
@access(Access.PUBLIC, provided=READABLE, limits=("download_patience_s",), emits=(AnalysisRequested,), writes=False)
async def download(
    caller: Anybody, correlation_id: CorrelationId, form: DownloadRequest, downloads: Downloads
) -> Response:
    """The answer is a link, as bare text."""
    wanted = wanted_download(
        name=form.object_name, folder=form.s3_directory, form=form.image_type, stretch=form.stretch
    )
    try:
        return TextReply(await downloads.download(caller, wanted, correlation_id=correlation_id))
    except StillBeingMadeError as unfinished:
        return not_yet(unfinished)


@router.post(
    "/downloadzip",
    response_model=ArchiveLink,
    responses={**TEXT_ERRORS, **WAITED},
    summary="Ask for an archive of a site's images",
)
@access(Access.PUBLIC, provided=READABLE, limits=("download_patience_s",), emits=(ArchiveRequested,), writes=False)
async def download_archive(
    caller: Anybody, correlation_id: CorrelationId, form: ArchiveRequest, downloads: Downloads
) -> Response:
    wanted = wanted_archive(site=form.site, start=form.start_timestamp_s, end=form.end_timestamp_s, size=form.fits_size)
    try:
        return JsonReply({"message": await downloads.archive(caller, wanted, correlation_id=correlation_id)})
    except StillBeingMadeError as unfinished:
        return not_yet(unfinished)


def not_yet(unfinished: StillBeingMadeError) -> JsonReply:
    """Return what is told when it takes longer than anybody waits: the work goes on."""
    text = f"Not ready yet: {unfinished.message}. Ask again in a moment."
    return JsonReply({"message": text}, 504, {"Retry-After": str(_RETRY_AFTER_S)})
