"""What is kept of the configurations of sites, and what they are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SiteSettings(BaseSettings):
    """Configurations of sites."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    site_config_versions: int = Field(
        100, gt=0, le=1000, description="former configurations kept of each site; the oldest go first"
    )
    site_config_history_bytes: int = Field(
        8 * 1024**2, gt=0, description="most bytes of former configurations kept of one site"
    )
    site_config_checks: Literal["off", "warn", "strict"] = Field(
        "warn",
        description="what becomes of a configuration that does not fit the schema of its `instance_type`: nothing is "
        "looked at, it is taken with a warning, or it is refused",
    )
    site_config_schemas: Path | None = Field(
        None, description="folder with a JSON schema `<instance_type>.json` for each kind of site; without it, our own"
    )
    # A site sends its configuration when it starts and once a night; a start that fails is tried every 5 s.
    site_config_per_minute: int = Field(60, gt=0, description="times a site's configuration may change in a minute")
    site_config_address_per_minute: int = Field(
        300, gt=0, description="times configurations may be changed in a minute from one address"
    )
