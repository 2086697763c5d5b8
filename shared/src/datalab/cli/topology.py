"""`datalab topology`: streams, consumers and buckets on the NATS server."""

from __future__ import annotations

import asyncio

import typer

from datalab.cli.connection import CommandError, connected_bus
from datalab.local.system import prepare_servers
from datalab.platform.errors import DatalabError
from datalab.platform.settings import NatsSettings, S3Settings
from datalab.platform.topology import check_topology

app = typer.Typer(help="Streams, consumers and buckets, as this version needs them.", no_args_is_help=True)


@app.command("apply")
def apply_() -> None:
    """Create what is missing and change what differs; nothing is deleted. Also makes the bucket for objects."""
    try:
        changes = asyncio.run(prepare_servers(NatsSettings(), S3Settings()))
    except DatalabError as error:
        raise CommandError(error.message) from error
    for line in changes or ["nothing to change"]:
        typer.echo(line)


@app.command()
def check() -> None:
    """Tell how the server differs; exit code 1 if it does."""

    async def compare() -> None:
        async with connected_bus() as bus:
            await check_topology(bus.jetstream)

    try:
        asyncio.run(compare())
    except DatalabError as error:
        raise CommandError(error.message) from error
    typer.echo("as declared")
