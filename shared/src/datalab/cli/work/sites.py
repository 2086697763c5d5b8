"""The work of `datalab sites`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

import typer
from pydantic import SecretStr, ValidationError

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode
from datalab.cli.work.bus import server_error
from datalab.cli.work.settings import command_settings
from datalab.errors import DatalabError, NotFoundError, TransientError, UsageError
from datalab.events.object_keys import data_key
from datalab.events.topology import inbox_prefix
from datalab.local.access import AccessFolder, SiteCredentials
from datalab.platform.bus.accounts import Login
from datalab.platform.bus.reloading import reload_configuration
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import AccessSettings, NatsSettings, S3Settings

#: `datalab up` starts the store anew within this.
_STORE_ASKED_EVERY_S = 0.25
_STORE_ASKED_TIMES = 40


def add_site(site: str) -> None:
    """Make credentials, have the servers know them, and print them. Raises `CommandError`."""

    async def added() -> None:
        access = _folder()
        credentials = access.add(site)
        try:
            await _told_to_servers(access)
        except (CommandError, UsageError):
            access.remove(site)  # nobody knows it, so it can be added again
            raise
        _print(credentials)
        await _wait_for_store(credentials)

    _run(added())


def remove_site(site: str) -> None:
    """Take credentials away. Raises `CommandError`."""

    async def removed() -> None:
        access = _folder()
        access.remove(site)
        await _told_to_servers(access)

    _run(removed())


def list_sites() -> None:
    """Print a line for each site. Raises `CommandError`."""
    with _command_errors():
        sites = _folder().sites()
    for credentials in sites:
        typer.echo(f"{credentials.site}  bus user {credentials.nats_user}  store key {credentials.s3_access_key}")
    if not sites:
        _note("no site has credentials: `datalab sites add SITE`")


def apply_sites() -> None:
    """Write what the servers read. Raises `CommandError`."""
    _run(_told_to_servers(_folder()))


def _run(work: Coroutine[None, None, None]) -> None:
    with _command_errors():
        asyncio.run(work)


@contextmanager
def _command_errors() -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        raise CommandError(error.message, ExitCode.NOT_FOUND) from error
    except DatalabError as error:
        raise server_error(error) from error


def _folder() -> AccessFolder:
    return AccessFolder(_settings().access_dir)


def _settings() -> AccessSettings:
    try:
        return AccessSettings()
    except ValidationError as error:
        raise CommandError(
            "no running system found: start `datalab up`, or set DATALAB_ACCESS_DIR to the folder the servers read",
            ExitCode.UNREACHABLE,
        ) from error


async def _told_to_servers(access: AccessFolder) -> None:
    """Write the configuration and have the bus read it; one that is away reads it when it starts."""
    settings, bus = _settings(), command_settings(NatsSettings)
    if bus.nats_user is None or bus.nats_password is None:
        raise CommandError("DATALAB_NATS_USER and DATALAB_NATS_PASSWORD: the services' own user of the bus is needed")
    store_password = settings.nats_store_password
    object_store = Login(settings.nats_store_user, store_password.get_secret_value()) if store_password else None
    access.write_configuration(
        services=Login(bus.nats_user, bus.nats_password.get_secret_value()),
        object_store=object_store,
        bucket=command_settings(S3Settings).s3_bucket,
    )
    try:
        await reload_configuration(bus.nats_url, access.system)
    except TransientError as error:
        _note(f"{error.message}. It knows the sites once it has read {access.accounts_file}, as when it starts.")


def _print(credentials: SiteCredentials) -> None:
    bus, store = command_settings(NatsSettings), command_settings(S3Settings)
    for name, value in (
        ("DATALAB_NATS_URL", _settings().nats_public_url or bus.nats_url),
        ("DATALAB_NATS_USER", credentials.nats_user),
        ("DATALAB_NATS_PASSWORD", credentials.nats_password),
        ("DATALAB_NATS_INBOX_PREFIX", inbox_prefix(credentials.nats_user)),
        ("DATALAB_S3_URL", store.s3_public_url or store.s3_url),
        ("DATALAB_S3_ACCESS_KEY", credentials.s3_access_key),
        ("DATALAB_S3_SECRET_KEY", credentials.s3_secret_key),
        ("DATALAB_S3_REGION", store.s3_region),
        ("DATALAB_S3_BUCKET", store.s3_bucket),
    ):
        typer.echo(f"{name}={value}")


async def _wait_for_store(credentials: SiteCredentials) -> None:
    """Return when the object store knows the key; say what is to do if it does not get to know it by itself."""
    settings = command_settings(S3Settings).model_copy(
        update={"s3_access_key": credentials.s3_access_key, "s3_secret_key": SecretStr(credentials.s3_secret_key)}
    )
    async with ObjectStore(settings, retries=0) as store:
        for _ in range(_STORE_ASKED_TIMES):
            if await _knows_key(store, credentials.site):
                return
            await asyncio.sleep(_STORE_ASKED_EVERY_S)
    _note(
        "the object store does not know the key yet. With Compose: `docker compose run --rm minio-setup`; "
        f"elsewhere make the user as {_settings().access_dir}/s3-users and s3-policies say"
    )


async def _knows_key(store: ObjectStore, site: str) -> bool:
    """Ask for a file nobody has: a key that is known hears that it is not there, or that it may not know."""
    try:
        await store.get_bytes(data_key(f"{site}-"), max_bytes=0)
    except ObjectNotFoundError:
        return True
    except TransientError as error:
        return error.message.endswith("AccessDenied")
    return True


def _note(text: str) -> None:
    """Standard output is for credentials."""
    typer.secho(f"datalab: {text}", err=True)
