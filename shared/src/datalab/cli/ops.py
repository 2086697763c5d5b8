"""`datalab ops`: what can be computed, and computing it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from datalab.cli.arguments import Made, made, operation_number
from datalab.cli.completion import operations_beginning_with
from datalab.cli.connection import CommandError, ask
from datalab.cli.downloads import Rendering, planned, save
from datalab.cli.exit_codes import ExitCode
from datalab.cli.operation_inputs import InputError, input_data, operation_named
from datalab.cli.operation_text import description_lines, operation_lines, operation_row
from datalab.cli.output import JsonOption, note, print_json, print_table, printable
from datalab.cli.waiting import demand_completed, waited_for
from datalab.client.rest import Datalab

JsonObject = dict[str, Any]

_NO_SESSION: Final[JsonObject] = {"input_data": [], "operations": []}

app = typer.Typer(help="Operations: what can be computed, and computing it.", no_args_is_help=True)

OperationName = Annotated[
    str, typer.Argument(help="operation, for example Median", autocompletion=operations_beginning_with)
]
SessionOption = Annotated[int | None, typer.Option(min=1, help="number of the session")]
OperationArgument = Annotated[
    int, typer.Argument(parser=operation_number, metavar="N", help="number of the operation, `12` or `@12`")
]
TimeoutOption = Annotated[float | None, typer.Option(min=0, help="longest wait in seconds; no limit if not given")]


@app.command()
def available(as_json: JsonOption = False) -> None:
    """List the operations there are; `describe` tells all about one."""
    found = ask(lambda api: api.available_operations())
    if as_json:
        print_json(found)
        return
    if not found:
        note("no operation is offered: is an operation runner running?")
    print_table((name, described["description"].partition(". ")[0]) for name, described in found.items())


@app.command()
def describe(name: OperationName, as_json: JsonOption = False) -> None:
    """Tell what an operation does, and its inputs with their limits, choices and defaults."""
    described = ask(lambda api: _described(api, name))
    if as_json:
        print_json(described)
    else:
        typer.echo("\n".join(description_lines(described)))


@app.command()
def start(  # noqa: PLR0917 - typer calls it by name
    name: OperationName,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="its input files: frames, 'patterns*' of the session's, @OPERATION for outputs"),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="any other input; repeatable")
    ] = None,
    session: Annotated[
        int | None, typer.Option(min=1, help="session it belongs to; your newest one if not given")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="show its progress and return when it has ended")] = False,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start an operation and print its number."""

    async def started(api: Datalab) -> JsonObject:
        operation, in_session = await _start(api, name, files or [], settings or [], session)
        note(printable(f"operation {operation['id']} of session {in_session['id']} ({in_session['name']})"))
        if not as_json:
            typer.echo(operation["id"])
        if wait:
            return await waited_for(api, in_session["id"], operation["id"], timeout_s=timeout)
        return operation

    operation = ask(started)
    if as_json:
        print_json(operation)
    if wait:
        demand_completed(operation)


@app.command("list")
def list_(session: SessionOption = None, as_json: JsonOption = False) -> None:
    """List the operations of a session, or those of your latest sessions."""

    async def read(api: Datalab) -> list[tuple[int, JsonObject]]:
        if session is not None:
            return [(session, operation) for operation in await api.operations(session)]
        latest = [await api.complete(each) for each in await api.sessions()]
        return [(each["id"], operation) for each in latest for operation in each["operations"]]

    found = sorted(ask(read), key=lambda located: located[1]["id"], reverse=True)
    if as_json:
        print_json([operation for _, operation in found])
        return
    if not found:
        note("no operations yet: `datalab ops start NAME FILE...` starts one")
    print_table(operation_row(operation, number) for number, operation in found)


@app.command()
def show(operation: OperationArgument, session: SessionOption = None, as_json: JsonOption = False) -> None:
    """Show an operation: how it stands, its inputs, and what it made of them."""

    async def read(api: Datalab) -> tuple[int, JsonObject]:
        number = await _session_of(api, operation, session)
        return number, await api.operation(number, operation)

    number, found = ask(read)
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(operation_lines(found, number)))


@app.command()
def wait(
    operations: Annotated[
        list[int], typer.Argument(parser=operation_number, metavar="N...", help="numbers of operations")
    ],
    session: SessionOption = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until operations have ended; exit code 1 unless all are COMPLETED."""

    async def wait_for_all(api: Datalab) -> list[JsonObject]:
        numbers = [(await _session_of(api, operation, session), operation) for operation in operations]
        return [await waited_for(api, number, operation, timeout_s=timeout) for number, operation in numbers]

    ended = ask(wait_for_all)
    if as_json:
        print_json(ended)
    for operation in ended:
        demand_completed(operation)


@app.command()
def download(  # noqa: PLR0917 - typer calls it by name
    wanted: Annotated[
        Made, typer.Argument(parser=made, metavar="N", help="number of the operation, or `@12.2` for one output of it")
    ],
    to: Annotated[Path, typer.Option(file_okay=False, help="folder to save into")] = Path(),
    rendering: Annotated[
        Rendering | None,
        typer.Option("--as", help="form to save; FITS of images, TIFF of pictures, and JSON of data if not given"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files that exist")] = False,
    session: SessionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save what an operation made, under names such as m31_median.fits."""

    async def save_all(api: Datalab) -> list[str]:
        number = await _session_of(api, wanted.operation, session)
        operation = await api.operation(number, wanted.operation)
        files = planned(operation, to, rendering, only=wanted.output)
        await save(files, overwrite=overwrite)
        return [str(file.path) for file in files]

    saved = ask(save_all)
    if as_json:
        print_json(saved)
    else:
        typer.echo("\n".join(saved))


@app.command()
def cancel(operation: OperationArgument, session: SessionOption = None, as_json: JsonOption = False) -> None:
    """Stop an operation."""
    _changed(operation, session, "cancel", as_json=as_json)


@app.command()
def retry(operation: OperationArgument, session: SessionOption = None, as_json: JsonOption = False) -> None:
    """Run a failed or cancelled operation again."""
    _changed(operation, session, "retry", as_json=as_json)


@app.command()
def delete(operation: OperationArgument, session: SessionOption = None) -> None:
    """Delete an operation; one that runs is stopped."""

    async def remove(api: Datalab) -> None:
        await api.delete_operation(await _session_of(api, operation, session), operation)

    ask(remove)


def _changed(operation: int, session: int | None, what: str, *, as_json: bool) -> None:
    async def change(api: Datalab) -> JsonObject:
        number = await _session_of(api, operation, session)
        changed: JsonObject = await getattr(api, what)(number, operation)
        return changed

    found = ask(change)
    if as_json:
        print_json(found)
    else:
        typer.echo(found["state"])


async def _described(api: Datalab, name: str) -> JsonObject:
    try:
        return operation_named(name, await api.available_operations())
    except InputError as error:
        raise CommandError(str(error), ExitCode.NOT_FOUND) from error


async def _start(
    api: Datalab, name: str, files: Sequence[str], settings: Sequence[str], session: int | None
) -> tuple[JsonObject, JsonObject]:
    """Start an operation in the session, the newest one, or a new one; return both."""
    described = await _described(api, name)
    chosen = await api.session(session) if session is not None else next(iter(await api.sessions()), None)
    if chosen is not None:
        chosen = await api.complete(chosen)
    try:
        inputs = input_data(described, files, settings, chosen or _NO_SESSION)
    except InputError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    if chosen is None:
        frames = [item for value in inputs.values() if isinstance(value, list) for item in value]
        chosen = await api.add_session(f"{described['name']} {datetime.now(UTC):%Y-%m-%d %H:%M}", frames)
    return await api.start(chosen["id"], described["name"], inputs), chosen


async def _session_of(api: Datalab, operation: int, session: int | None) -> int:
    """Return the session an operation is in. Raises `CommandError`."""
    found = session if session is not None else await api.session_of(operation)
    if found is None:
        raise CommandError(f"there is no operation {operation}, or it is not yours", ExitCode.NOT_FOUND)
    return found
