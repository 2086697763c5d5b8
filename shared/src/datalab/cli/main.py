"""The `datalab` command. Each part is a file beside this one.

Most commands ask the REST API one question, and should take no longer than the answer. So these files say what
commands and options there are and talk HTTP; what needs drivers or the science stack is in `datalab.cli.work`, and a
function here imports it when it is called.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

import typer

from datalab.cli import ops, sites, topology, up, upload, users, watch
from datalab.cli.connection import use_local_system

#: These need no logging: all they load that logs is httpx, and never more than INFO.
_HTTP_ONLY: Final = ("ops", "sessions", "users")

app = typer.Typer(
    help="An event-driven data lab and image archive for observatories.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
if find_spec("astropy"):  # the image of the command line has no science stack, and starts no system of its own
    app.command()(up.up)
    app.command()(up.demo)
app.command()(upload.upload)
app.command()(watch.watch)
app.add_typer(users.app, name="users")
app.add_typer(ops.sessions, name="sessions")
app.add_typer(ops.app, name="ops")
app.add_typer(sites.app, name="sites")
app.add_typer(topology.app, name="topology")


@app.callback()
def prepare(context: typer.Context) -> None:
    """Commands other than those that start a system use the one that runs here."""
    if context.invoked_subcommand not in _HTTP_ONLY:
        from datalab.cli.work.log import quiet_logging  # noqa: PLC0415 - loaded when called

        quiet_logging()
    if context.invoked_subcommand not in ("up", "demo"):
        use_local_system()
