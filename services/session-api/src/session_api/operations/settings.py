"""How operations are looked after."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperationSettings(BaseSettings):
    """Operations, and what is deleted."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    result_cache_bytes: int = Field(
        64 * 1024**2, ge=0, description="memory for the data of large results that were looked at, in bytes"
    )
    projector_concurrency: int = Field(4, gt=0, description="reports of runners taken in at once")
    stale_operation_s: float = Field(
        60.0, gt=0, description="an operation without news for this long, while no runner has it, is requested again"
    )
    reconcile_interval_s: float = Field(10.0, gt=0, description="time between two looks for lost work, in seconds")
    purge_after_s: float = Field(60.0, ge=0, description="deleted sessions and operations leave the store after this")
    result_keep_days: float = Field(
        30.0, ge=1, description="results no operation refers to any more are deleted when they are this old, in days"
    )
    result_max_bytes: int | None = Field(
        None,
        gt=0,
        description="bytes of all results; beyond them those no operation refers to go sooner, the oldest first",
    )
