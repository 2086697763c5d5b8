"""`datalab topology`: streams, consumers and buckets on the NATS server."""

from __future__ import annotations

import typer

from datalab.cli.connection import demand_servers

app = typer.Typer(help="Streams, consumers and buckets, as this version needs them.", no_args_is_help=True)


@app.command("apply")
def apply_() -> None:
    """Create what is missing and change what differs; nothing is deleted. Also makes the bucket for objects."""
    demand_servers("DATALAB_NATS_URL")
    from datalab.cli.work.topology import apply_to_servers  # noqa: PLC0415 - loaded when called

    apply_to_servers()


@app.command()
def check() -> None:
    """Tell how the server differs; exit code 1 if it does."""
    demand_servers("DATALAB_NATS_URL")
    from datalab.cli.work.topology import compare_with_server  # noqa: PLC0415 - loaded when called

    compare_with_server()
