"""The whole of Datalab, running on this machine."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datalab.local.connection import connection_file
from datalab.local.data_folder import DataFolder, write_private
from datalab.local.embedded import start_servers
from datalab.local.ports import LOOPBACK, free_port
from datalab.local.servers import ServerAddresses
from datalab.local.services import ServiceSpec, default_services
from datalab.local.supervisor import Supervisor
from datalab.local.unit_supervisor import ChildStatus
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import NatsSettings, S3Settings

#: Where the API listens unless told otherwise, or unless somebody else listens there.
USUAL_API_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system and the means to reach it."""

    supervisor: Supervisor
    folder: DataFolder
    addresses: ServerAddresses
    api_url: str
    admin_token: str = field(repr=False)

    @property
    def nats_settings(self) -> NatsSettings:
        """Settings that reach the bus."""
        return NatsSettings(**_given(self.addresses, NatsSettings.model_fields))

    @property
    def s3_settings(self) -> S3Settings:
        """Settings that reach the object store."""
        return S3Settings(**_given(self.addresses, S3Settings.model_fields))


@asynccontextmanager
async def running_system(
    root: Path,
    *,
    runners: int = 1,
    api_host: str = LOOPBACK,
    api_port: int | None = None,
    on_change: Callable[[ChildStatus], None] = lambda _: None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[System]:
    """Start servers, topology, bucket and services; stop everything at the end of the block.

    Args:
        root: the data folder; state in it is found again by the next run.
        runners: how many operation runners.
        api_host: address the API listens on.
        api_port: its port; by default 8000, or a free one if that is taken.
        on_change: called with every new status of a child.
        environ: servers whose `DATALAB_*_URL` is in it are used instead of started; all of it is handed to the
            services.

    Raises `BinaryUnavailableError`, `ChildFailedError`, `DataFolderError`.
    """
    with DataFolder(root) as folder:
        async with Supervisor(folder=folder, on_change=on_change) as supervisor:
            addresses = await start_servers(supervisor=supervisor, folder=folder, environ=environ)
            admin_token = environ.get("DATALAB_ADMIN_TOKEN") or secrets.token_hex(20)
            services = default_services(
                addresses=addresses,
                folder=folder,
                runners=runners,
                api_host=api_host,
                api_port=api_port or free_port(USUAL_API_PORT, host=api_host),
                extra_env={**environ, "DATALAB_ADMIN_TOKEN": admin_token},
            )
            system = System(
                supervisor=supervisor,
                folder=folder,
                addresses=addresses,
                api_url=_api(services).address,
                admin_token=admin_token,
            )
            await prepare_servers(system.nats_settings, system.s3_settings)
            await supervisor.start(*services)
            _write_connection(system)
            yield system


async def prepare_servers(nats: NatsSettings, s3: S3Settings) -> list[str]:
    """Make topology and bucket what this version needs; return one line for each change."""
    bus = Bus(settings=nats, service="setup", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        changes = await apply_topology(bus.jetstream)
    finally:
        await bus.close()
    async with ObjectStore(s3) as store:
        await store.ensure_bucket()
    return changes


def _write_connection(system: System) -> None:
    content = {"api_url": system.api_url, "admin_token": system.admin_token, **system.addresses.environment()}
    write_private(connection_file(system.folder.root), json.dumps(content))


def _api(services: list[ServiceSpec]) -> ServiceSpec:
    (api,) = (service for service in services if service.name == "session-api")
    return api


def _given(addresses: ServerAddresses, fields: Mapping[str, object]) -> dict[str, Any]:
    values = {name: getattr(addresses, name, None) for name in fields}
    return {name: value for name, value in values.items() if value is not None}
