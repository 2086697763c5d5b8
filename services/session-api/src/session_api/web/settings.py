"""How much a client may send at once, and how much it is sent."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WebSettings(BaseSettings):
    """Requests and lists."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    max_request_bytes: int = Field(2 * 1024**2, gt=0, description="largest request body accepted, in bytes")
    request_bytes_in_hand: int = Field(
        8 * 1024**2, gt=0, description="most bytes of request bodies taken in at once; half of it for one user"
    )
    max_answer_bytes: int = Field(
        8 * 1024**2, gt=0, description="a list ends before it is larger than this, in bytes; its next page goes on"
    )
    answer_bytes_in_hand: int = Field(
        96 * 1024**2, gt=0, description="most bytes of answers that clients are reading; a third of it for one user"
    )
    request_body_timeout_s: float = Field(20.0, gt=0, description="time to send the body of a request, in seconds")
    store_timeout_s: float = Field(
        5.0, gt=0, description="time a request waits to be told who sent its token, in seconds"
    )
    # Twice what the busiest consumers of a queue take, at 500 a second.
    writes_per_minute: int = Field(
        60_000, gt=0, description="changes by one user in a minute, or from one address, at one process"
    )
    # 0.4 KB each in the audit log: 0.1 GB a day from one address that never stops.
    unknown_writes_per_minute: int = Field(
        200,
        gt=0,
        description="changes that are kept in the audit log, likewise, from one address by those who say not who they "
        "are",
    )
    page_size: int = Field(100, gt=0, description="entries of a list when the client names no limit")
    max_page_size: int = Field(1000, gt=0, description="most entries of a list, whatever limit the client names")
