"""Starts the servers that are not configured by URL."""

from __future__ import annotations

from collections.abc import Mapping

from datalab.local.data_folder import DataFolder
from datalab.local.servers import MongoServer, NatsServer, S3Server, ServerAddresses
from datalab.local.supervisor import Supervisor

SERVERS: dict[str, type[NatsServer | MongoServer | S3Server]] = {
    "DATALAB_NATS_URL": NatsServer,
    "DATALAB_MONGO_URL": MongoServer,
    "DATALAB_S3_URL": S3Server,
}


async def start_servers(*, supervisor: Supervisor, folder: DataFolder, environ: Mapping[str, str]) -> ServerAddresses:
    """Start each server whose URL is not in `environ` and return where all three are.

    Raises:
        BinaryUnavailableError: a program cannot run here; nothing was started.
        ChildFailedError: a server ended early or was not ready in time.
    """
    local = [server(folder) for variable, server in SERVERS.items() if not environ.get(variable)]
    await supervisor.start(*local)
    settings = dict(environ)
    for server in local:
        settings.update(server.environment())
    return ServerAddresses.from_environment(settings)
