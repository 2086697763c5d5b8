"""Settings of the session API."""

from __future__ import annotations

from pydantic import Field, SecretStr

from datalab.events.analysis import MAX_ANSWER_TIME_S
from datalab.platform.settings import DocumentServiceSettings
from session_api.feed.settings import FeedSettings


class SessionApiSettings(DocumentServiceSettings, FeedSettings):
    """Each field is read from the environment as `DATALAB_<FIELD>`."""

    admin_token: SecretStr | None = Field(
        None, min_length=20, description="token that acts as the superuser `admin`, to make the first users with"
    )
    max_request_bytes: int = Field(2 * 1024**2, gt=0, description="largest request body accepted, in bytes")
    page_size: int = Field(100, gt=0, description="entries of a list when the client names no limit")
    max_page_size: int = Field(1000, gt=0, description="most entries of a list, whatever limit the client names")
    result_cache_bytes: int = Field(
        64 * 1024**2, ge=0, description="memory for the data of large results that were looked at, in bytes"
    )
    analysis_time_limit_s: float = Field(
        10.0, gt=0, le=MAX_ANSWER_TIME_S, description="longest wait for the answer to an analysis, in seconds"
    )
    analysis_concurrency: int = Field(8, gt=0, description="analyses under way at once; more wait for their turn")
    analysis_max_answer_bytes: int = Field(
        128 * 1024**2, gt=0, description="largest answer to an analysis handed through, in bytes"
    )
    projector_concurrency: int = Field(4, gt=0, description="reports of runners taken in at once")
    stale_operation_s: float = Field(
        60.0, gt=0, description="an operation without news for this long, while no runner has it, is requested again"
    )
    reconcile_interval_s: float = Field(10.0, gt=0, description="time between two looks for lost work, in seconds")
    purge_after_s: float = Field(60.0, ge=0, description="deleted sessions and operations leave the store after this")
