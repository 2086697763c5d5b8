"""How much sites may say of their devices, how fast it is told, and what is kept of it."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StatusSettings(BaseSettings):
    """Statuses of sites."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    # Ten a second, of an observatory with all its kinds of things.
    site_status_per_minute: int = Field(600, gt=0, description="statuses of one site taken in a minute, by one process")
    site_status_address_per_minute: int = Field(3_000, gt=0, description="likewise, from one address")
    site_status_live_interval_s: float = Field(
        0.5, gt=0, le=60, description="a kind of status of a site is told to listeners once in this time, in seconds"
    )
    site_status_history_interval_s: float = Field(
        300.0, ge=1, description="one status of each kind is kept of each such time, in seconds"
    )
    site_status_history_days: float = Field(3.0, gt=0, le=3_650, description="and for so many days")
