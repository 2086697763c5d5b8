"""`datalab sessions`: named sets of frames, with what was computed from them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from datalab.cli.connection import CommandError, ask
from datalab.cli.exit_codes import ExitCode
from datalab.cli.operation_inputs import InputError, frame_item, has_pattern
from datalab.cli.operation_text import operation_row
from datalab.cli.output import JsonOption, moment, note, print_json, print_table, printable
from datalab.cli.output_names import file_label
from datalab.client.rest import Datalab

app = typer.Typer(help="Data sessions.", no_args_is_help=True)

SessionArgument = Annotated[int | None, typer.Argument(min=1, help="its number; your newest one if not given")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List your latest sessions, newest first."""
    found = ask(lambda api: api.sessions())
    if as_json:
        print_json(found)
        return
    if not found:
        note("no sessions yet: `datalab sessions add NAME FRAME...` opens one")
    print_table(
        [
            (
                str(session["id"]),
                session["name"],
                f"{len(session['input_data'])} frames",
                f"{session['operations_count']} operations",
                moment(session["modified"]),
            )
            for session in found
        ]
    )


@app.command()
def add(
    name: str,
    frames: Annotated[list[str], typer.Argument(help="basenames, or @OPERATION for what an operation made")],
    as_json: JsonOption = False,
) -> None:
    """Open a session on frames and print its number."""
    patterns = [word for word in frames if has_pattern(word)]
    if patterns:
        raise CommandError(f"{patterns[0]!r} is a pattern, and there is no session yet to choose from", ExitCode.USAGE)
    try:
        items = [frame_item(word) for word in frames]
    except InputError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    made = ask(lambda api: api.add_session(name, items))
    if unknown := made.get("unknown_frames"):
        note(f"the archive has no such frame you may read, now: {', '.join(unknown)}")
    if as_json:
        print_json(made)
    else:
        typer.echo(made["id"])


@app.command()
def show(session: SessionArgument = None, as_json: JsonOption = False) -> None:
    """Show a session: its frames and its operations."""

    async def read(api: Datalab) -> dict[str, Any]:
        number = session if session is not None else (await newest_session(api))["id"]
        return await api.complete(await api.session(number))

    found = ask(read)
    if as_json:
        print_json(found)
        return
    typer.echo(printable(f"session {found['id']}  {found['name']}  of {found['user']}"))
    typer.echo(f"frames ({len(found['input_data'])})")
    for item in found["input_data"]:
        typer.echo(printable(f"  {file_label(item)}"))
    typer.echo(f"operations ({len(found['operations'])})")
    print_table(("", *operation_row(each, found["id"])) for each in found["operations"])


@app.command()
def delete(session: Annotated[int, typer.Argument(min=1)]) -> None:
    """Delete a session with its operations; those that run are stopped."""
    ask(lambda api: api.delete_session(session))


async def newest_session(api: Datalab) -> dict[str, Any]:
    """Return your newest session. Raises `CommandError` if you have none."""
    sessions = await api.sessions()
    if not sessions:
        raise CommandError("you have no session: `datalab sessions add NAME FRAME...` opens one", ExitCode.NOT_FOUND)
    return sessions[0]
