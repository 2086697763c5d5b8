"""Starts the servers that are not configured by URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from datalab.local.data_folder import DataFolder
from datalab.local.reach import PUBLIC_STORE_VARIABLE, Reach
from datalab.local.servers import MongoServer, NatsServer, S3Server, ServerAddresses
from datalab.local.supervisor import Supervisor

#: Reached from this machine only.
HERE: Final = Reach()

Server: TypeAlias = NatsServer | MongoServer | S3Server


def embedded_servers(*, folder: DataFolder, environ: Mapping[str, str], reach: Reach = HERE) -> list[Server]:
    """Return a server for each whose URL is not in `environ`; of them, only the object store is for others to reach.

    Raises:
        BinaryUnavailableError: a program cannot run here.
    """
    made: dict[str, Callable[[], Server]] = {
        "DATALAB_NATS_URL": lambda: NatsServer(folder),
        "DATALAB_MONGO_URL": lambda: MongoServer(folder),
        "DATALAB_S3_URL": lambda: S3Server(folder, host=reach.host, port=reach.s3_port),
    }
    return [make() for variable, make in made.items() if not environ.get(variable)]


async def start_embedded(
    servers: Sequence[Server], *, supervisor: Supervisor, environ: Mapping[str, str], reach: Reach = HERE
) -> ServerAddresses:
    """Start servers and return where all three are: these, and those whose URLs are in `environ`.

    Raises:
        ChildFailedError: a server ended early or was not ready in time.
    """
    await supervisor.start(*servers)
    settings = dict(environ)
    for server in servers:
        settings.update(server.environment())
        if isinstance(server, S3Server) and not settings.get(PUBLIC_STORE_VARIABLE):
            others = reach.others_url(server.port)
            settings |= {} if others is None else {PUBLIC_STORE_VARIABLE: others}
    return ServerAddresses.from_environment(settings)


async def start_servers(*, supervisor: Supervisor, folder: DataFolder, environ: Mapping[str, str]) -> ServerAddresses:
    """Start each server whose URL is not in `environ` and return where all three are.

    Raises `BinaryUnavailableError` (then nothing was started), `ChildFailedError`.
    """
    servers = embedded_servers(folder=folder, environ=environ)
    return await start_embedded(servers, supervisor=supervisor, environ=environ)
