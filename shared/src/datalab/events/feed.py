"""What user interfaces hear. A client gets these over the websocket, each with its sequence number."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

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


FeedEvent = Annotated[
    OperationChanged
    | OperationDeleted
    | SessionChanged
    | SessionAccessChanged
    | SessionDeleted
    | FrameChanged
    | FrameDeleted
    | FileRefused
    | InfoImageChanged,
    Field(discriminator="type"),
]
feed_event_adapter: TypeAdapter[FeedEvent] = TypeAdapter(FeedEvent)
