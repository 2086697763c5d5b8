"""`datalab groups`: users with whom sessions are shared together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from datalab.cli.connection import CommandError, ask
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import JsonOption, note, print_json, print_table, printable, shortened
from datalab.client.rest import Datalab

app = typer.Typer(help="Groups of users, to share sessions with.", no_args_is_help=True)

GroupArgument = Annotated[str, typer.Argument(help="its number or its name")]
UsersArgument = Annotated[list[str], typer.Argument(help="names of users")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the groups you are in, with their members."""
    found = ask(lambda api: api.groups())
    if as_json:
        print_json(found)
        return
    if not found:
        note("you are in no group: `datalab groups create NAME` makes one")
    print_table(
        (str(group["id"]), group["name"], f"of {group['owner']}", shortened(group["members"])) for group in found
    )


@app.command()
def create(
    name: str,
    users: Annotated[list[str] | None, typer.Argument(help="who is in it besides you")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a group and print its number."""

    async def make(api: Datalab) -> dict[str, Any]:
        group = await api.add_group(name)
        for user in users or ():
            group = await api.add_member(group["id"], user)
        return group

    _tell(ask(make), as_json=as_json)


@app.command()
def rename(group: GroupArgument, name: str) -> None:
    """Give a group of yours another name; what is shared with it stays so."""

    async def change(api: Datalab) -> None:
        await api.rename_group((await group_named(api, group))["id"], name)

    ask(change)


@app.command()
def add(group: GroupArgument, users: UsersArgument) -> None:
    """Add users to a group of yours."""

    async def change(api: Datalab) -> None:
        number = (await group_named(api, group))["id"]
        for user in users:
            await api.add_member(number, user)

    ask(change)


@app.command()
def remove(group: GroupArgument, users: UsersArgument) -> None:
    """Remove users from a group of yours: what is shared with it is closed to them at once."""

    async def change(api: Datalab) -> None:
        number = (await group_named(api, group))["id"]
        for user in users:
            await api.remove_member(number, user)

    ask(change)


@app.command()
def leave(group: GroupArgument) -> None:
    """Leave a group of somebody else's."""

    async def change(api: Datalab) -> None:
        number = (await group_named(api, group))["id"]
        await api.remove_member(number, (await api.call("GET", "profile/"))["username"])

    ask(change)


@app.command()
def give(group: GroupArgument, user: str) -> None:
    """Make another member the owner of a group of yours."""

    async def change(api: Datalab) -> None:
        await api.give_group((await group_named(api, group))["id"], user)

    ask(change)


@app.command()
def delete(group: GroupArgument, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete a group of yours: what is shared with it is closed to its members at once."""
    found = ask(lambda api: group_named(api, group))
    name = printable(found["name"])
    if not yes and not typer.confirm(f"Delete the group {name} of {len(found['members'])} members?"):
        raise CommandError("nothing was deleted")
    ask(lambda api: api.delete_group(found["id"]))


async def group_named(api: Datalab, word: str) -> dict[str, Any]:
    """Return the group of a number or a name, of those you are in. Raises `CommandError`."""
    if word.isascii() and word.isdecimal():
        return await api.group(int(word))
    named = [group for group in await api.groups() if group["name"].casefold() == word.casefold()]
    if not named:
        raise CommandError(f"you are in no group named {word!r}: see `datalab groups list`", ExitCode.NOT_FOUND)
    if len(named) > 1:
        numbers = ", ".join(f"{group['id']} of {group['owner']}" for group in named)
        raise CommandError(f"there are several groups named {word!r}, say which by its number: {numbers}")
    return named[0]


def _tell(group: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(group)
    else:
        typer.echo(group["id"])
