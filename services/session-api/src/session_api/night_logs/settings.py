"""How long notes are kept, and how many there may be."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class NightLogSettings(BaseSettings):
    """Night logs."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    night_log_history_days: float = Field(
        365.0, gt=0, le=36_500, description="time notes of night logs are kept for staff, in days"
    )
    night_log_per_minute: int = Field(30, gt=0, description="notes of one site that are written or taken away a minute")
    night_log_address_per_minute: int = Field(60, gt=0, description="likewise, from one address")
