"""How long what sites say is kept, and how much of it there may be."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SiteLogSettings(BaseSettings):
    """Logs and phases of sites."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    site_log_days: float = Field(7.0, gt=0, le=3_650, description="time a site's log messages are kept, in days")
    site_phase_hours: float = Field(24.0, gt=0, le=8_760, description="time a site's phases are kept, in hours")
    # Several times what the busiest start-up of an observatory says.
    site_log_per_minute: int = Field(120, gt=0, description="messages of one site taken in a minute, by one process")
    site_log_address_per_minute: int = Field(1_200, gt=0, description="likewise, from one address")
