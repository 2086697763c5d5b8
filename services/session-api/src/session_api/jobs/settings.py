"""How long jobs are kept."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class JobSettings(BaseSettings):
    """Jobs."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    job_max_unread: int = Field(1000, gt=0, description="jobs of one site that its observatory has not asked for yet")
    keep_jobs_s: float = Field(30 * 86_400.0, gt=0, description="time a job is known, in seconds")
    # Each is told on the feed, with all its parameters. A job changes some five times.
    job_changes_per_minute: int = Field(
        600, gt=0, description="jobs of one site asked for, handed out or spoken of in a minute, by one process"
    )
    job_changes_address_per_minute: int = Field(3_000, gt=0, description="likewise, from one address")
