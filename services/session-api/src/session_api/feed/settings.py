"""How much one process gives its websocket clients, and for how long it waits for them."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FeedSettings(BaseSettings):
    """The feed."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    feed_max_clients: int = Field(1000, gt=0, description="most websocket connections of one process")
    feed_max_waiting: int = Field(500, gt=0, description="most connections that have not said yet who they are")
    feed_max_waiting_per_address: int = Field(50, gt=0, description="likewise, of one address")
    feed_max_sessions: int = Field(200, gt=0, description="most sessions one connection may subscribe to")
    feed_max_sites: int = Field(200, gt=0, description="most sites one connection may subscribe to")
    feed_queue_events: int = Field(1000, gt=0, description="most events waiting for one client before it is dropped")
    feed_queue_bytes: int = Field(4 * 1024**2, gt=0, description="most bytes waiting for one client, likewise")
    feed_authentication_timeout_s: float = Field(10.0, gt=0, description="time to send the token, in seconds")
    feed_send_timeout_s: float = Field(10.0, gt=0, description="time a client may take to accept one frame, s")
    feed_ping_interval_s: float = Field(20.0, gt=0, description="silence after which the server sends a ping, s")
    feed_token_check_s: float = Field(60.0, gt=0, description="how often a connection's token is checked again, s")
    feed_watch_interval_s: float = Field(5.0, gt=0, description="how often the hub checks that it is not behind, s")
    datastream_max_clients: int = Field(
        1000, gt=0, description="most connections of one process to the datastream, which needs no token"
    )
    datastream_max_per_address: int = Field(100, gt=0, description="likewise, of one address")
    feed_replays: int = Field(8, gt=0, description="most reads of the stored feed under way at once")
