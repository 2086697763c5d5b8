"""Where people meet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ControlRoomSettings(BaseSettings):
    """Control rooms of sites."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    control_room_provider: Literal["meeting", "remotehq"] = Field(
        "meeting",
        description="where control rooms are: a `meeting` at `DATALAB_MEETING_URL`, which is not asked, or `remotehq`",
    )
    meeting_url: str = Field(
        "https://meet.jit.si",
        pattern=r"^https?://[^\s?#]+$",
        description="host of meetings, such as a Jitsi of your own, where a room is where somebody says it is",
    )
    remotehq_url: str = Field(
        "https://api.remotehq.com/v1", pattern=r"^https?://[^\s?#]+$", description="RemoteHQ, or what speaks like it"
    )
    remotehq_token: SecretStr | None = Field(None, min_length=8, description="token for it")
    remotehq_timeout_s: float = Field(10.0, gt=0, le=15, description="longest wait for one answer of it, in seconds")
    control_room_page_url: str = Field(
        "https://dev.photonranch.org",
        pattern=r"^https?://[^\s?#]+$",
        description="user interface whose page `/cr/<site>` is shown in the room of a site",
    )
    control_room_restart_hours: dict[str, Annotated[int, Field(ge=0, le=23)]] = Field(
        # Those of the first service: 15:00 where the site is.
        {"mrc": 22, "mrc2": 22, "sqa": 22, "sro": 22, "dht": 22, "saf": 23, "tst": 12, "tst001": 12},
        description="hour, in UTC, at which the room of a site is made anew each day, as a JSON object",
    )
