"""Where names are looked up."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class NameSettings(BaseSettings):
    """Names of objects on the sky."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    name_service_url: str = Field(
        "https://simbad.cds.unistra.fr/simbad/sim-tap/sync",
        description="TAP service of SIMBAD, or of a mirror of it, which tells where objects are",
    )
    name_service_timeout_s: float = Field(5.0, gt=0, description="longest wait for it, in seconds")
    known_names_keep_days: float = Field(30.0, gt=0, description="life of a position that was looked up, in days")
