"""How long, and for how many at once, images are looked at."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from datalab.events.analysis import MAX_ANSWER_TIME_S


class AnalysisSettings(BaseSettings):
    """Analyses."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    analysis_time_limit_s: float = Field(
        10.0, gt=0, le=MAX_ANSWER_TIME_S, description="longest wait for the answer to an analysis, in seconds"
    )
    analysis_concurrency: int = Field(8, gt=0, description="analyses under way at once; more wait for their turn")
    analysis_max_answer_bytes: int = Field(
        128 * 1024**2, gt=0, description="largest answer to an analysis handed through, in bytes"
    )
