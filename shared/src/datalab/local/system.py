"""The whole of Datalab, running on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from datalab.local.access import AccessFolder
from datalab.local.connection import connection_file
from datalab.local.data_folder import DataFolder, write_private
from datalab.local.embedded import HERE, Server, embedded_servers, start_embedded
from datalab.local.following_sites import LOOK_EVERY_S, SiteFollower
from datalab.local.reach import Reach
from datalab.local.servers import S3Server, ServerAddresses
from datalab.local.services import ServiceSpec, default_services
from datalab.local.supervisor import Supervisor
from datalab.local.unit_supervisor import ChildStatus
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.known_settings import mistyped_settings
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.lifecycle import keep_rules
from datalab.platform.objects.store import ObjectStore
from datalab.platform.periodic import Periodic
from datalab.platform.settings import MongoSettings, NatsSettings, S3Settings, StoreRuleSettings, settings_of
from datalab.platform.tasks import end_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system and the means to reach it."""

    supervisor: Supervisor
    folder: DataFolder
    addresses: ServerAddresses
    api_url: str
    #: Where other machines reach the API; None if they cannot.
    others_url: str | None = None
    admin_token: str = field(repr=False)

    @property
    def nats_settings(self) -> NatsSettings:
        """Settings that reach the bus."""
        return self.addresses.settings(NatsSettings)

    @property
    def mongo_settings(self) -> MongoSettings:
        """Settings that reach the document store."""
        return self.addresses.settings(MongoSettings)

    @property
    def s3_settings(self) -> S3Settings:
        """Settings that reach the object store."""
        return self.addresses.settings(S3Settings)


@asynccontextmanager
async def running_system(
    root: Path,
    *,
    runners: int = 1,
    reach: Reach = HERE,
    on_change: Callable[[ChildStatus], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[System]:
    """Start servers, topology, bucket and services; stop everything at the end of the block.

    Args:
        root: the data folder; state in it is found again by the next run.
        runners: how many operation runners.
        reach: where API and object store listen, and who reaches them.
        on_change: called with every new status of a child.
        say: called with what whoever started this should know.
        environ: servers whose `DATALAB_*_URL` is in it are used instead of started; all of it is handed to the
            services.

    Raises `AddressUnusableError`, `BinaryUnavailableError`, `ChildFailedError`, `DataFolderError`, `ReachError`.
    """
    reach = reach.checked(environ)
    for line in mistyped_settings(environ):
        say(f"ATTENTION: {line}")
    with DataFolder(root) as folder:
        api_port = reach.chosen_api_port(say)
        admin_token = environ.get("DATALAB_ADMIN_TOKEN") or secrets.token_hex(20)
        servers = embedded_servers(folder=folder, environ=environ, reach=reach)
        addresses_file = folder.run / "addresses.json"
        services = default_services(
            addresses=addresses_file,
            folder=folder,
            runners=runners,
            api_host=reach.host,
            api_port=api_port,
            api_any_port=reach.api_port is None,
            extra_env={**_open_to_this_machine(reach), **environ, "DATALAB_ADMIN_TOKEN": admin_token},
        )
        async with Supervisor(folder=folder, on_change=on_change) as supervisor:
            starting = asyncio.create_task(supervisor.start(*services))
            try:
                addresses = await start_embedded(servers, supervisor=supervisor, environ=environ, reach=reach)
                _keep_ports(servers, say)
                await prepare_servers(addresses.settings(NatsSettings), addresses.settings(S3Settings))
                write_private(addresses_file, json.dumps(addresses.environment()))
                await starting
            finally:
                await end_tasks(starting)
            api = _api(services)
            if api.port != api_port:  # somebody took it while everything was loaded
                say(reach.instead(api_port, api.port))
            system = System(
                supervisor=supervisor,
                folder=folder,
                addresses=addresses,
                api_url=api.address,
                others_url=reach.public_url or reach.others_url(api.port),
                admin_token=admin_token,
            )
            _write_connection(system)
            async with _following_sites(system, own_store=not environ.get("DATALAB_S3_URL")):
                yield system


def _open_to_this_machine(reach: Reach) -> dict[str, str]:
    """Let software without credentials, as observatories have it, and test data into what only this machine reaches."""
    return {"DATALAB_OPEN_UPLOAD_SITES": '["*"]', "DATALAB_CHOSEN_TOKENS": "true"} if reach.is_private else {}


def _keep_ports(servers: Sequence[Server], say: Callable[[str], None]) -> None:
    for server in servers:
        if isinstance(server, S3Server) and (change := server.keep_port()):
            say(change)


async def prepare_servers(nats: NatsSettings, s3: S3Settings) -> list[str]:
    """Make topology and bucket what this version needs; return one line for each change."""
    bus = Bus(settings=nats, service="setup", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        changes = await apply_topology(bus.jetstream)
    finally:
        await bus.close()
    rules = settings_of(StoreRuleSettings)
    async with ObjectStore(s3) as store:
        await store.ensure_bucket()
        changed = await store.apply_rules(
            keep_rules(cold_class=rules.s3_cold_class, cold_after_days=rules.s3_cold_after_days)
        )
    return [*changes, *(["rules of the object store"] if changed else [])]


@asynccontextmanager
async def _following_sites(system: System, *, own_store: bool) -> AsyncIterator[None]:
    """Have the object store of this machine know the sites of the moment, for as long as the block lasts."""
    follower = SiteFollower(access=AccessFolder(system.folder.access), supervisor=system.supervisor)
    work = Periodic(name="sites", every_s=LOOK_EVERY_S, work=follower.look)
    tasks = [asyncio.create_task(work.repeat(), name=work.name)] if own_store else []
    try:
        yield
    finally:
        await end_tasks(*tasks)


def _write_connection(system: System) -> None:
    content = {
        "api_url": system.api_url,
        "admin_token": system.admin_token,
        "DATALAB_ACCESS_DIR": str(system.folder.access),
        **system.addresses.environment(),
    }
    write_private(connection_file(system.folder.root), json.dumps(content))


def _api(services: list[ServiceSpec]) -> ServiceSpec:
    (api,) = (service for service in services if service.name == "session-api")
    return api
