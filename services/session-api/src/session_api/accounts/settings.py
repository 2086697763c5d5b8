"""The operator's own token, and who else says who people are."""

from __future__ import annotations

from typing import Self
from urllib.parse import urljoin, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
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
    portal_url: str = Field(
        "",
        description="API of an OCS observation portal, `https://observe.example.org/api/`, that is asked whose a token "
        "is that is unknown here; empty for none",
    )
    portal_keep_s: float = Field(300.0, gt=0, description="time its answer counts, in seconds")
    portal_keep_unknown_s: float = Field(
        30.0, gt=0, description="time its answer counts that it knows nobody, in seconds"
    )
    portal_server_key: SecretStr | None = Field(
        None,
        min_length=20,
        description="secret the portal shows when it tells of a user; without one it cannot: its `OAUTH_SERVER_KEY`",
    )
    portal_grants_superuser: bool = Field(
        default=False, description="whether superusers of the portal are superusers here"
    )
    login_tries: int = Field(5, gt=0, description="wrong passwords after which a name is locked")
    login_lock_s: float = Field(
        60.0, gt=0, description="time a name is locked then, in seconds; twice as long after each further one"
    )
    login_address_tries_per_minute: int = Field(
        60, gt=0, description="logins from one address in a minute, at one process"
    )
    login_days: float = Field(90.0, gt=0, description="life of a token that somebody gets for their password, in days")
    chosen_tokens: bool = Field(
        default=False,
        description="whether superusers may choose tokens, as `datalab populate-test-data` does; `datalab up` lets "
        "them where nobody but its own machine reaches the system",
    )
    audit_keep_days: float = Field(365.0, gt=0, description="life of what the audit log says, in days")
    identity_timeout_s: float = Field(
        5.0, gt=0, description="longest wait for others who say who somebody is, in seconds"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.jwt_issuer and not self.jwt_audience:
            raise ValueError("jwt_audience is needed: a token for somebody else would count here")
        return self

    @field_validator("portal_url", "jwt_keys_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username):
            raise ValueError("has to be http(s)://host/…, without credentials")
        return url

    @property
    def signing_keys_url(self) -> str:
        """Where the issuer's keys are."""
        return self.jwt_keys_url or urljoin(self.jwt_issuer.rstrip("/") + "/", ".well-known/jwks.json")
