"""How long the Sun and the Moon are looked for."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from datalab.events.analysis import MAX_ANSWER_TIME_S


class EphemerisSettings(BaseSettings):
    """Events of nights, and passages of the Moon."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    ephemeris_time_limit_s: float = Field(
        5.0, gt=0, le=MAX_ANSWER_TIME_S, description="longest wait for a runner that computes a night, in seconds"
    )
