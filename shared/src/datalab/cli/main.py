"""The `datalab` command. Each part is a file beside this one.

Most commands ask the REST API one question, and should take no longer than the answer. So these files say what
commands and options there are and talk HTTP; what needs drivers or the science stack is in `datalab.cli.work`, and a
function here imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Annotated, Final

import typer

import datalab
from datalab.cli import (
    audit,
    dead_letters,
    frames,
    groups,
    observatory,
    ops,
    queues,
    send,
    sessions,
    sites,
    status,
    test_data,
    topology,
    up,
    upload,
    users,
    watch,
)
from datalab.cli.connection import with_data_dir
from datalab.cli.standard_output import Commands

#: These need no logging: all they load that logs is httpx, and never more than INFO.
_HTTP_ONLY: Final = ("audit", "frames", "groups", "ops", "queues", "send", "sessions", "users")
#: They start a system; all others use one that runs, and so say which.
_STARTING: Final[Mapping[str, Callable[..., None]]] = {"up": up.up, "demo": up.demo}
_ALONE: Final[dict[str, Callable[..., None]]] = {
    "upload": upload.upload,
    "send": send.send,
    "watch": watch.watch,
    "status": status.status,
    "audit": audit.audit,
}
_GROUPS: Final[dict[str, typer.Typer]] = {
    "sessions": sessions.app,
    "ops": ops.app,
    "frames": frames.app,
    "groups": groups.app,
    "users": users.app,
    "sites": sites.app,
    "queues": queues.app,
    "dead-letters": dead_letters.app,
    "topology": topology.app,
}
#: They need the science stack.
_SCIENTIFIC: Final[Mapping[str, typer.Typer]] = {"observatory": observatory.app}
_SCIENTIFIC_ALONE: Final[Mapping[str, Callable[..., None]]] = {"populate-test-data": test_data.populate_test_data}

app = typer.Typer(
    cls=Commands,
    help="An event-driven data lab and image archive for observatories.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"datalab {datalab.__version__}")
        raise typer.Exit


@app.callback()
def prepare(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Every command begins here."""
    if context.invoked_subcommand not in _HTTP_ONLY:
        from datalab.cli.work.log import quiet_logging  # noqa: PLC0415 - loaded when called

        quiet_logging()


if find_spec("astropy"):  # the image of the command line has no science stack, and starts no system of its own
    for _name, _start in _STARTING.items():
        app.command(_name)(_start)
    _GROUPS.update(_SCIENTIFIC)
    _ALONE.update(_SCIENTIFIC_ALONE)
for _name, _command in _ALONE.items():
    app.command(_name)(with_data_dir(_command))
for _name, _group in _GROUPS.items():
    for _info in _group.registered_commands:
        if _info.callback is not None:
            _info.callback = with_data_dir(_info.callback)
    app.add_typer(_group, name=_name)
