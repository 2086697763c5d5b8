"""The `datalab` command. Each part is a file beside this one."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from datalab.cli import ops, topology, upload, users, watch
from datalab.cli.connection import quiet_logging, use_local_system

app = typer.Typer(
    help="An event-driven data lab and image archive for observatories.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
if find_spec("astropy"):  # the image of the command line has no science stack, and starts no system of its own
    from datalab.cli import up

    app.command()(up.up)
    app.command()(up.demo)
app.command()(upload.upload)
app.command()(watch.watch)
app.add_typer(users.app, name="users")
app.add_typer(ops.sessions, name="sessions")
app.add_typer(ops.app, name="ops")
app.add_typer(topology.app, name="topology")


@app.callback()
def prepare(context: typer.Context) -> None:
    """Commands other than those that start a system use the one that runs here."""
    quiet_logging()
    if context.invoked_subcommand not in ("up", "demo"):
        use_local_system()
