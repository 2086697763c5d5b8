"""How long somebody waits for a file that is being made."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DownloadSettings(BaseSettings):
    """Downloads."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    download_patience_s: float = Field(
        25.0,
        gt=0,
        le=600,
        description="longest wait for a file that is being made, in seconds; gateways in front end requests after 29",
    )
    streamed_archives: int = Field(4, gt=0, description="archives of frames on their way to clients at once")
