"""The operator's own token, and who else says who people are."""

from __future__ import annotations

from typing import Self
from urllib.parse import urljoin

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class AccountSettings(BaseSettings):
    """Accounts."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    admin_token: SecretStr | None = Field(
        None, min_length=20, description="token that acts as the superuser `admin`, to make the first users with"
    )
    jwt_issuer: str = Field(
        "",
        description="who signs the JSON Web Tokens that are taken, as the tokens name it: "
        "`https://<tenant>.auth0.com/`; empty for nobody",
    )
    jwt_audience: str = Field("", description="whom such tokens have to be for; needed with an issuer")
    jwt_keys_url: str = Field(
        "", description="where the issuer publishes its keys; empty for `.well-known/jwks.json` of the issuer"
    )
    jwt_leeway_s: float = Field(30.0, ge=0, le=300, description="most a clock may be wrong for a token, in seconds")
    jwt_roles_claim: str = Field(
        "https://photonranch.org/user_metadata",
        description="claim with the roles, a list or an object with one as `roles`; has to be one people cannot write "
        "themselves",
    )
    jwt_role_names: dict[str, str] = Field(
        {},
        description="which of `admin`, `operator`, `observatory:SITE`, `ingester:SITE` roles of the issuer are, as a "
        "JSON object; what is not named is what it is called",
    )
    jwt_keys_refresh_s: float = Field(
        600.0, gt=0, description="longest time a key counts that the issuer publishes no more, in seconds"
    )
    jwt_keys_retry_s: float = Field(
        10.0, gt=0, description="least time between two questions for the issuer's keys, in seconds"
    )
    identity_timeout_s: float = Field(
        5.0, gt=0, description="longest wait for others who say who somebody is, in seconds"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.jwt_issuer and not self.jwt_audience:
            raise ValueError("jwt_audience is needed: a token for somebody else would count here")
        return self

    @property
    def signing_keys_url(self) -> str:
        """Where the issuer's keys are."""
        return self.jwt_keys_url or urljoin(self.jwt_issuer.rstrip("/") + "/", ".well-known/jwks.json")
