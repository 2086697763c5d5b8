"""`datalab sessions` and `datalab ops`: what users do, from the command line."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from datalab.cli.connection import CommandError, ask

sessions = typer.Typer(help="Data sessions.", no_args_is_help=True)
app = typer.Typer(help="Operations of a session.", no_args_is_help=True)


@sessions.command("list")
def list_sessions() -> None:
    """List your sessions, newest first."""
    for session in ask(lambda api: api.sessions()):
        typer.echo(f"{session['id']:>6}  {session['name']}  ({len(session['operations'])} operations)")


@sessions.command("add")
def add_session(name: str, basenames: list[str]) -> None:
    """Open a session on archive frames and print its id."""
    inputs = [{"source": "archive", "basename": basename} for basename in basenames]
    typer.echo(ask(lambda api: api.add_session(name, inputs))["id"])


@app.command("list")
def list_operations(session: int) -> None:
    """List the operations of a session."""
    for operation in ask(lambda api: api.operations(session)):
        done = f"{operation['operation_progress']:.0%}"
        typer.echo(
            f"{operation['id']:>6}  {operation['state']:<12}{done:>5}  {operation['name']}  {operation['message']}"
        )


@app.command()
def available() -> None:
    """List the operations there are, with their inputs."""
    for name, wizard in ask(lambda api: api.available_operations()).items():
        inputs = ", ".join(f"{key} ({value['type']})" for key, value in wizard["inputs"].items())
        typer.echo(f"{name}: {wizard['description']}\n    inputs: {inputs}")


@app.command()
def start(
    session: int,
    name: str,
    inputs: Annotated[str, typer.Argument(help="JSON, for example '{\"input_files\": [...]}'")],
) -> None:
    """Start an operation and print its id."""
    try:
        input_data = json.loads(inputs)
    except json.JSONDecodeError as error:
        raise CommandError(f"the inputs are not JSON: {error}") from error
    typer.echo(ask(lambda api: api.start(session, name, input_data))["id"])


@app.command()
def show(session: int, operation: int) -> None:
    """Show an operation, with signed links to its outputs."""
    typer.echo(json.dumps(ask(lambda api: api.operation(session, operation)), indent=2))


@app.command()
def cancel(session: int, operation: int) -> None:
    """Stop an operation."""
    typer.echo(ask(lambda api: api.cancel(session, operation))["state"])


@app.command()
def retry(session: int, operation: int) -> None:
    """Run a failed or cancelled operation again."""
    typer.echo(ask(lambda api: api.retry(session, operation))["state"])
