"""How much queues hold, and for how long."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class QueueSettings(BaseSettings):
    """Queues."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    queue_max_items: int = Field(100_000, gt=0, description="items one queue holds; what is beyond has to wait")
    queue_max_bytes: int = Field(256 * 1024**2, gt=0, description="bytes of payloads one queue holds, likewise")
    queue_max_deliveries: int = Field(
        5, gt=0, le=1000, description="times an item is lent out before it is dead: kept, shown, and handed out no more"
    )
    keep_queue_items_s: float = Field(
        90 * 86_400.0,
        gt=0,
        description="time an item that nobody takes stays in its queue, dead or not, in seconds",
    )
    keep_taken_items_s: float = Field(
        86_400.0,
        gt=0,
        description="time a taken item is known, so that a request that is repeated changes nothing, in seconds",
    )
