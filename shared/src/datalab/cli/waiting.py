"""Waiting for an operation, with a bar on a terminal and a line for each change elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import note, printable
from datalab.client.rest import Datalab

if TYPE_CHECKING:
    from rich.console import Console

JsonObject = dict[str, Any]
Show = Callable[[JsonObject], None]


async def waited_for(api: Datalab, session: int, operation: int, *, timeout_s: float | None) -> JsonObject:
    """Return an operation that has ended, however it did. Raises `CommandError` when that takes too long."""
    state: JsonObject = {}
    try:
        async with asyncio.timeout(timeout_s), aclosing(api.states(session, operation)) as states:
            with shown_progress() as show:
                async for state in states:
                    show(state)
    except TimeoutError:
        raise CommandError(
            f"operation {operation} is {state.get('state', 'not known yet')} after {timeout_s:g} s and goes on: "
            f"`datalab ops wait {operation}`",
            ExitCode.TIMED_OUT,
        ) from None
    return state


def demand_completed(operation: JsonObject) -> None:
    """Raise `CommandError` for an operation that ended without a result."""
    if operation["state"] != "COMPLETED":
        reason = f": {printable(operation['message'])}" if operation["message"] else ""
        raise CommandError(f"operation {operation['id']} ({operation['name']}) {operation['state']}{reason}")


@contextmanager
def shown_progress(console: Console | None = None) -> Iterator[Show]:
    """Give the block a function that shows each state of an operation, on standard error unless told otherwise."""
    from rich.console import Console  # noqa: PLC0415 - loaded when called

    console = console or Console(stderr=True)
    if console.is_terminal:
        with _bar(console) as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bar(console: Console) -> Iterator[Show]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0, message="")

        def show(state: JsonObject) -> None:
            done = 1.0 if state["state"] == "COMPLETED" else state["operation_progress"]
            message = printable(state["message"] or state["state"])
            progress.update(task, description=printable(state["name"]), completed=done, message=message)

        yield show


def _lines() -> Show:
    said: list[str] = []

    def show(state: JsonObject) -> None:
        # A tenth at a time: a log of a long wait is to be read.
        done = f"{int(state['operation_progress'] * 10) * 10}%"
        line = printable(f"{state['name']}: {state['state']} {done} {state['message']}".rstrip())
        if line not in said[-1:]:
            said.append(line)
            note(line)

    return show
