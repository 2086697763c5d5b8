"""The work of `datalab topology`."""

from __future__ import annotations

import asyncio

import typer

from datalab.cli.work.bus import connected_bus, server_error
from datalab.cli.work.settings import command_settings
from datalab.errors import DatalabError
from datalab.local.system import prepare_servers
from datalab.platform.bus.topology import check_topology
from datalab.platform.settings import NatsSettings, S3Settings


def apply_to_servers() -> None:
    """Make the servers what this version needs, and print each change. Raises `CommandError`."""
    try:
        changes = asyncio.run(prepare_servers(command_settings(NatsSettings), command_settings(S3Settings)))
    except DatalabError as error:
        raise server_error(error) from error
    for line in changes or ["nothing to change"]:
        typer.echo(line)


def compare_with_server() -> None:
    """Print that the server is as this version needs it; if it is not, raise `CommandError` that says how."""

    async def compare() -> None:
        async with connected_bus() as bus:
            await check_topology(bus.jetstream)

    try:
        asyncio.run(compare())
    except DatalabError as error:
        raise server_error(error) from error
    typer.echo("as declared")
