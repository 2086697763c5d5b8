"""The operator's own token."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AccountSettings(BaseSettings):
    """Accounts."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    admin_token: SecretStr | None = Field(
        None, min_length=20, description="token that acts as the superuser `admin`, to make the first users with"
    )
