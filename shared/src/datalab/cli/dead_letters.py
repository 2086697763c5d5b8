"""`datalab dead-letters`: messages nobody could handle."""

from __future__ import annotations

from typing import Annotated

import typer

from datalab.cli.output import JsonOption

app = typer.Typer(help="Messages nobody could handle, for operators.", no_args_is_help=True)

Numbers = Annotated[list[int], typer.Argument(min=1, help="numbers of dead letters, as `list` shows them")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the dead letters, oldest first, with the reason for each."""
    from datalab.cli.work.dead_letters import list_letters  # noqa: PLC0415 - loaded when called

    list_letters(as_json=as_json)


@app.command()
def show(number: Annotated[int, typer.Argument(min=1)], as_json: JsonOption = False) -> None:
    """Show a dead letter with its content."""
    from datalab.cli.work.dead_letters import show_letter  # noqa: PLC0415 - loaded when called

    show_letter(number, as_json=as_json)


@app.command()
def requeue(numbers: Numbers) -> None:
    """Publish messages again where they came from, and take them off the list."""
    from datalab.cli.work.dead_letters import requeue_letters  # noqa: PLC0415 - loaded when called

    requeue_letters(numbers)


@app.command()
def discard(numbers: Numbers) -> None:
    """Delete dead letters."""
    from datalab.cli.work.dead_letters import discard_letters  # noqa: PLC0415 - loaded when called

    discard_letters(numbers)
