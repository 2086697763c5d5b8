"""`datalab queues`: what waits for PIPE machines."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

import typer

from datalab.cli.connection import USER_TOKEN, CommandError, ask
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import JsonOption, moment, note, print_json, print_table
from datalab.client.rest import Datalab

#: As much of a payload as a line has room for.
_SHOWN_CHARACTERS: Final = 60

JsonObject = dict[str, Any]
T = TypeVar("T")

app = typer.Typer(help="Queues that PIPE machines take their work from.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="QUEUE", help="its name, as `list` shows it")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="most items to list")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the queues, and how many items of each wait, are lent out, or are dead."""

    async def read(api: Datalab) -> list[JsonObject]:
        async with aclosing(api.each("queues/")) as queues:
            return [queue async for queue in queues]

    found = _asked(read)
    if as_json:
        print_json(found)
        return
    print_table(_row(queue) for queue in found)
    if not found:
        note("no queues yet: `POST /pipe/queue` makes one")


@app.command()
def show(name: NameArgument, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """Show a queue, and the items that are taken next."""

    async def read(api: Datalab) -> tuple[JsonObject, list[JsonObject]]:
        return await api.call("GET", _path(name)), await _items(api, name, "waiting", limit)

    queue, items = _asked(read)
    if as_json:
        print_json({**queue, "items": items})
        return
    print_table([_row(queue)])
    _print_items(items)


@app.command()
def dead(name: NameArgument, limit: LimitOption = 100, as_json: JsonOption = False) -> None:
    """List the items of a queue that were lent out too often, and are handed out no more."""
    items = _asked(lambda api: _items(api, name, "dead", limit))
    if as_json:
        print_json(items)
        return
    _print_items(items)
    if not items:
        note("none of its items is dead")


@app.command()
def requeue(
    name: NameArgument,
    items: Annotated[list[str] | None, typer.Argument(metavar="ITEM...", help="ids, as `dead` shows them")] = None,
    every: Annotated[bool, typer.Option("--all", help="all that are dead")] = False,
) -> None:
    """Let dead items be handed out again, in the places they have in their queue."""
    if bool(items) == every:
        raise CommandError("name the items, or --all", ExitCode.USAGE)
    body = {} if every else {"items": items}
    answer = _asked(lambda api: api.call("POST", f"{_path(name)}requeue/", json=body))
    typer.echo(f"{answer['requeued']} items can be taken again")


def _asked(question: Callable[[Datalab], Awaitable[T]]) -> T:
    """Ask as the user there is a token of, who speaks for some site; else as the administrator."""
    return ask(question, as_admin=not os.environ.get(USER_TOKEN))


async def _items(api: Datalab, name: str, state: str, limit: int) -> list[JsonObject]:
    page = await api.call("GET", f"{_path(name)}items/", params={"state": state, "limit": limit})
    found: list[JsonObject] = page["results"]
    return found


def _path(name: str) -> str:
    return f"queues/{quote(name, safe='', errors='surrogateescape')}/"


def _row(queue: JsonObject) -> tuple[str, ...]:
    return (
        queue["name"],
        f"{queue['waiting']} waiting",
        f"{queue['leased']} lent out",
        f"{queue['dead']} dead",
        f"{queue['enqueued']} since {moment(queue['created'])}",
    )


def _print_items(items: list[JsonObject]) -> None:
    print_table(
        (item["id"], item["sender"], f"lent out {item['deliveries']} times", str(item["payload"])[:_SHOWN_CHARACTERS])
        for item in items
    )
