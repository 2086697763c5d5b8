"""What user interfaces hear. A client gets these over the websocket, each with its sequence number."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from datalab.events.envelope import Event, SubjectToken, UtcDatetime
from datalab.events.frames import RemovalCause


class SessionFeedEvent(Event):
    """Something happened in a session; heard by whoever may look at it.

    `owner` is the session's, or who started the operation.
    """

    session_id: int = Field(gt=0)
    owner: str

    @property
    def subject(self) -> str:
        return f"datalab.feed.v1.session.{self.session_id}"


class OperationChanged(SessionFeedEvent):
    """REST shows this state of the operation from now on, or a later one."""

    type: Literal["feed.operation_changed.v1"] = "feed.operation_changed.v1"
    operation_id: int = Field(gt=0)
    attempt: int = Field(gt=0)
    name: str
    status: str
    operation_progress: float = Field(ge=0, le=1)
    message: str


class OperationDeleted(SessionFeedEvent):
    """The operation is gone."""

    type: Literal["feed.operation_deleted.v1"] = "feed.operation_deleted.v1"
    operation_id: int = Field(gt=0)


class SessionChanged(SessionFeedEvent):
    """The session was created or edited."""

    type: Literal["feed.session_changed.v1"] = "feed.session_changed.v1"
    name: str


class SessionAccessChanged(SessionFeedEvent):
    """Others may look at the session than before, or do more or less in it, or it has another owner.

    Who may no longer look at it hears nothing of it any more.
    """

    type: Literal["feed.session_access_changed.v1"] = "feed.session_access_changed.v1"


class SessionDeleted(SessionFeedEvent):
    """The session is gone, with its operations."""

    type: Literal["feed.session_deleted.v1"] = "feed.session_deleted.v1"


class SiteFeedEvent(Event):
    """Something happened at a site."""

    site: SubjectToken

    @property
    def subject(self) -> str:
        return f"datalab.feed.v1.site.{self.site}"


class FrameChanged(SiteFeedEvent):
    """A frame is visible, or has more files than before. Heard by those who may read the frame.

    `image_changed` says whether its image is to be read anew: that there is one, or that its pictures, its header, its
    FITS files or its public date are others than before.
    """

    type: Literal["feed.frame_changed.v1"] = "feed.frame_changed.v1"
    frame_id: int = Field(gt=0)
    basename: str
    roles: tuple[str, ...]
    observation_date: UtcDatetime | None = None
    filter_name: str | None = None
    target_name: str | None = None
    exposure_time_s: float | None = None
    public_date: UtcDatetime | None = None
    proposal_id: str | None = None
    image_changed: bool = False


class FrameDeleted(SiteFeedEvent):
    """A frame is gone, with its files. Heard by those who could read it; results made from it stay."""

    type: Literal["feed.frame_deleted.v1"] = "feed.frame_deleted.v1"
    frame_id: int = Field(gt=0)
    basename: str
    cause: RemovalCause
    public_date: UtcDatetime | None = None
    proposal_id: str | None = None


class FileRefused(SiteFeedEvent):
    """A file of the site could not be ingested."""

    type: Literal["feed.file_refused.v1"] = "feed.file_refused.v1"
    key: str
    reason: str


class InfoImageChanged(SiteFeedEvent):
    """A channel of a site shows another image, or more of it than before. Heard by everybody."""

    type: Literal["feed.info_image_changed.v1"] = "feed.info_image_changed.v1"
    channel: int
    basename: str
    roles: tuple[str, ...]


class SiteConfigured(SiteFeedEvent):
    """The configuration of a site is another one, or is gone: REST shows this version or a later one. For everybody."""

    type: Literal["feed.site_configured.v1"] = "feed.site_configured.v1"
    version: int = Field(gt=0)
    removed: bool = False


class NightLogChanged(SiteFeedEvent):
    """There is another note in the night log of a site, or none any more. Heard by everybody.

    A note that expires is not told of: whoever read it knows when.
    """

    type: Literal["feed.night_log_changed.v1"] = "feed.night_log_changed.v1"
    created_timestamp: int = Field(description="which note, in seconds since 1970")
    removed: bool = False


class SiteLogAdded(SiteFeedEvent):
    """The software of a site says something to whoever looks on. Heard by everybody."""

    type: Literal["feed.site_log_added.v1"] = "feed.site_log_added.v1"
    message: str
    log_level: str
    timestamp: int = Field(description="when it was said, by the site's clock, in seconds since 1970")


class SitePhaseChanged(SiteFeedEvent):
    """The software of a site says what it is about to do. Heard by everybody."""

    type: Literal["feed.site_phase_changed.v1"] = "feed.site_phase_changed.v1"
    message: str
    timestamp: float = Field(description="when it was taken in, in seconds since 1970")


class ItemEnqueued(SiteFeedEvent):
    """There is something to take from the queue that is called as the site is. Heard by who speaks for the site."""

    type: Literal["feed.item_enqueued.v1"] = "feed.item_enqueued.v1"
    item_id: str
    sender: str


class JobChanged(SiteFeedEvent):
    """A job for a site's observatory is new, was handed out, or has another status. Heard by everybody.

    `job` is what REST says of it.
    """

    type: Literal["feed.job_changed.v1"] = "feed.job_changed.v1"
    job: dict[str, JsonValue]


#: What everybody hears, as everybody may read it.
PublicSiteEvent = InfoImageChanged | JobChanged | SiteConfigured | NightLogChanged | SiteLogAdded | SitePhaseChanged

FeedEvent = Annotated[
    OperationChanged
    | OperationDeleted
    | SessionChanged
    | SessionAccessChanged
    | SessionDeleted
    | FrameChanged
    | FrameDeleted
    | FileRefused
    | InfoImageChanged
    | SiteConfigured
    | NightLogChanged
    | SiteLogAdded
    | SitePhaseChanged
    | ItemEnqueued
    | JobChanged,
    Field(discriminator="type"),
]
feed_event_adapter: TypeAdapter[FeedEvent] = TypeAdapter(FeedEvent)
