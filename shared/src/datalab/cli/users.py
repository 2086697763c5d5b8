"""`datalab users`: who may use the system."""

from __future__ import annotations

from typing import Annotated

import typer

from datalab.cli.connection import ask

app = typer.Typer(help="Users and their tokens (needs the administrator's token).", no_args_is_help=True)


@app.command()
def add(
    name: str,
    proposal: Annotated[list[str], typer.Option(help="proposal whose frames the user may read; repeatable")] = [],  # noqa: B006
    superuser: Annotated[bool, typer.Option(help="may read everything and manage users")] = False,
) -> None:
    """Add a user and print a token. The token is shown this once; only its hash is stored."""
    typer.echo(ask(lambda api: api.add_user(name, proposals=proposal, superuser=superuser), as_admin=True))


@app.command()
def token(name: str) -> None:
    """Print a new token for a user; older ones stay valid."""
    typer.echo(ask(lambda api: api.add_token(name), as_admin=True))


@app.command("list")
def list_() -> None:
    """List the users."""
    for user in ask(lambda api: api.users(), as_admin=True):
        marks = [mark for mark in ("superuser",) if user.get(mark)] + ([] if user["active"] else ["inactive"])
        typer.echo("  ".join([user["username"], *user["proposals"], *marks]))


@app.command()
def deactivate(name: str) -> None:
    """Keep a user from using the system; nothing of theirs is deleted."""
    ask(lambda api: api.change_user(name, active=False), as_admin=True)
