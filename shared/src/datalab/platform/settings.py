"""Settings every service shares. Each field is read from the environment as `DATALAB_<FIELD>`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from datalab.errors import UsageError
from datalab.events.spelling import Spelled
from datalab.events.topology import inbox_prefix
from datalab.platform.observers import ObservedFrom

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def settings_of(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of a kind. Raises `UsageError` that names the variable and says what is wrong with it."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(map(str, first["loc"])).upper()
        raise UsageError(f"DATALAB_{name}: {first['msg'].removeprefix('Value error, ')}") from error


class LogSettings(BaseSettings):
    """How a process logs."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe record written")
    log_format: Literal["json", "console"] = Field("json", description="`json` for machines, `console` for people")


def _bus_addresses(urls: str) -> str:
    """Return what names one server or several. Raises `ValueError`."""
    for url in urls.split(","):
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        if parts.scheme not in {"nats", "tls", "ws", "wss"} or not parts.hostname or parts.port == 0:
            raise ValueError("has to be nats://host:port, or several, separated by commas")
    return urls


def _store_address(url: str) -> str:
    """Return what names an S3 server, or nothing. Raises `ValueError`."""
    parts = urlsplit(url)
    named = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    if url and (not named or parts.path.strip("/") or parts.username):
        raise ValueError("has to be http(s)://host[:port], without a path or credentials")
    return url


class NatsSettings(BaseSettings):
    """The bus."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore", hide_input_in_errors=True)

    nats_url: Annotated[str, AfterValidator(_bus_addresses)] = Field(
        "nats://127.0.0.1:4222", description="server list, comma separated"
    )
    nats_user: str | None = Field(None, description="user name, if not in the URL")
    nats_password: SecretStr | None = Field(None, description="password, if not in the URL")
    nats_inbox_prefix: (
        Annotated[str, Spelled(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", "letters, digits, _ and -, in parts between dots")]
        | None
    ) = Field(
        None,
        description="subject below which answers arrive; `_INBOX_<user>` if not given",
    )

    @property
    def inbox_prefix(self) -> str:
        """The subject below which answers to this client arrive: nobody else may listen there."""
        return self.nats_inbox_prefix or (inbox_prefix(self.nats_user) if self.nats_user else "_INBOX")


class MongoSettings(BaseSettings):
    """The document store."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore", hide_input_in_errors=True)

    mongo_url: SecretStr = Field(SecretStr("mongodb://127.0.0.1:27017"), description="connection string")
    mongo_database: str = Field("datalab", description="database name")
    mongo_timeout_s: float = Field(5.0, gt=0, description="longest wait for a usable server, in seconds")


StoreAddress = Annotated[str, AfterValidator(_store_address)]


class S3Settings(BaseSettings):
    """The object store."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore", hide_input_in_errors=True)

    s3_url: StoreAddress = Field("http://127.0.0.1:9000", description="endpoint the services use")
    s3_public_url: StoreAddress | None = Field(
        None, description="endpoint in signed links, if clients reach it elsewhere"
    )
    s3_access_key: str = Field("datalab", min_length=3, description="access key")
    s3_secret_key: SecretStr = Field(SecretStr("datalab-secret"), description="secret key, 8 characters or more")
    s3_region: str = Field("us-east-1", description="region used in signatures")
    s3_bucket: str = Field("datalab", min_length=3, description="bucket that holds every object")
    s3_link_ttl_s: int = Field(604_800, gt=0, le=604_800, description="life of a signed link, s; SigV4 allows 7 d")
    s3_threads: int = Field(16, gt=0, description="most S3 calls under way at once in one process")


class AccessSettings(BaseSettings):
    """Who may connect to the bus and the object store: what `datalab sites` needs, and no service."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    access_dir: Path = Field(description="folder with the list of sites and what the servers read of it")
    nats_public_url: str | None = Field(None, description="where sites reach the bus, if not where this command does")
    nats_store_user: str = Field("minio", description="user of the bus with which the object store tells of new files")
    nats_store_password: SecretStr | None = Field(None, description="its password; not given: it may not connect")


class StoreRuleSettings(BaseSettings):
    """What the object store is to do by itself: what `datalab topology apply` needs, and no service."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    s3_cold_class: str | None = Field(
        None, min_length=1, description="storage class that files of frames move to, by the store's name for it"
    )
    s3_cold_after_days: int = Field(30, gt=0, description="after how many days")


class HttpSettings(BaseSettings):
    """Where a service listens: the API itself, or a worker's health and metrics."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    http_host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    observed_from: ObservedFrom = Field(
        ObservedFrom.PRIVATE,
        description="who may ask for `/readyz` and `/metrics`: `loopback`, `private` addresses too, or `anyone`",
    )
    http_port: int = Field(8000, ge=0, le=65_535, description="port to listen on")


class ServiceSettings(LogSettings, NatsSettings, S3Settings, HttpSettings):
    """What every service needs. The runner needs nothing more from here: it has no database."""


class DocumentServiceSettings(ServiceSettings, MongoSettings):
    """What a service with documents of its own needs."""
