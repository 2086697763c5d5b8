"""`datalab users`: who may use the system."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from datalab.cli.connection import CommandError, ask
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import JsonOption, note, print_json, printable
from datalab.client.rest import Datalab

app = typer.Typer(help="Users and their tokens (needs the administrator's token).", no_args_is_help=True)

ProposalsOption = Annotated[list[str], typer.Option(help="proposal whose frames the user may read; repeatable")]
SuperuserOption = Annotated[bool, typer.Option(help="may read everything and manage users")]
OperatorOption = Annotated[bool, typer.Option(help="may see how the system does, and what nobody could handle")]
IngestsOption = Annotated[list[str], typer.Option(help="site whose files the user may add, * for all; repeatable")]
ObservatoryOption = Annotated[
    list[str], typer.Option(help="site the user speaks for, * for all; repeatable; those of --ingests if not given")
]


class Scope(StrEnum):
    """What a token may be used for, of what its user may do."""

    READ = "read"
    WRITE = "write"
    INGEST = "ingest"
    ADMIN = "admin"


@app.command()
def add(  # noqa: PLR0917 - typer calls it by name
    name: str,
    proposal: ProposalsOption = [],  # noqa: B006
    superuser: SuperuserOption = False,
    operator: OperatorOption = False,
    ingests: IngestsOption = [],  # noqa: B006
    observatory: ObservatoryOption = [],  # noqa: B006
) -> None:
    """Add a user and print a token. The token is shown this once; only its hash is stored."""
    rights: dict[str, Any] = {"superuser": superuser, "operator": operator, "ingests": ingests}
    if observatory:
        rights["observatories"] = observatory
    typer.echo(ask(lambda api: api.add_user(name, proposals=proposal, **rights), as_admin=True))


@app.command()
def token(
    name: str,
    replace: Annotated[bool, typer.Option("--replace", help="older ones become invalid")] = False,
    scope: Annotated[list[Scope], typer.Option(help="what it is good for; repeatable; everything if not given")] = [],  # noqa: B006
    days: Annotated[
        float | None, typer.Option(help="for how long it is valid; until it is revoked if not given")
    ] = None,
) -> None:
    """Print a new token for a user; older ones stay valid unless they are replaced."""
    wanted: dict[str, Any] = {"scopes": [str(each) for each in scope]} if scope else {}
    if days is not None:
        wanted["lifetime_s"] = days * 86_400

    async def new(api: Datalab) -> str:
        if replace:
            await api.revoke_tokens(name)
        return await api.add_token(name, **wanted)

    typer.echo(ask(new, as_admin=True))


@app.command()
def link(name: str) -> None:
    """Print an address that logs a user in, in a browser. It is good once, for a quarter of an hour."""
    typer.echo(ask(lambda api: api.login_link(name), as_admin=True))


@app.command()
def password(
    name: Annotated[str | None, typer.Argument(help="whose; your own if not given")] = None,
) -> None:
    """Set a password, which is asked for, or read from standard input if that is no terminal.

    For somebody else the administrator's token is needed. For your own the current one is asked for first; leave it
    empty if there is none.
    """
    if name is not None:
        whose, chosen = name, _secret(f"New password of {printable(name)}", twice=True)
        ask(lambda api: api.set_password(whose, chosen), as_admin=True)
        return
    current = _secret("Current password", twice=False) or None
    chosen = _secret("New password", twice=True)
    ask(lambda api: api.choose_password(chosen, current=current))


def _secret(prompt: str, *, twice: bool) -> str:
    """Ask for what nobody else is to see: it is not shown, and stands in no list of processes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    said: str = typer.prompt(prompt, hide_input=True, default="", show_default=False, confirmation_prompt=twice)
    return said


@app.command()
def revoke(name: str) -> None:
    """Make every token of a user invalid; nothing of theirs is deleted."""
    ask(lambda api: api.revoke_tokens(name), as_admin=True)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the users: name, proposals, and what else is particular."""
    users = ask(lambda api: api.users(), as_admin=True)
    if as_json:
        print_json(users)
        return
    for user in users:
        typer.echo(_line(user))
    if not users:
        note("no users yet: `datalab users add NAME` makes one")


@app.command()
def edit(  # noqa: PLR0917 - typer calls it by name
    name: str,
    add_proposal: Annotated[list[str], typer.Option(help="proposal to add; repeatable")] = [],  # noqa: B006
    remove_proposal: Annotated[list[str], typer.Option(help="proposal to take away; repeatable")] = [],  # noqa: B006
    superuser: Annotated[bool | None, typer.Option(help="may read everything and manage users")] = None,
    operator: Annotated[bool | None, typer.Option(help="may see how the system does")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="may use the system")] = None,
    ingests: Annotated[
        list[str], typer.Option(help="sites whose files the user may add, instead of those so far; '' for none")
    ] = [],  # noqa: B006
    observatory: Annotated[
        list[str], typer.Option(help="sites the user speaks for, instead of those so far; '' for none")
    ] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Change a user, and print what is known of them then. What is not named stays as it is."""

    async def change(api: Datalab) -> dict[str, Any]:
        wanted: dict[str, Any] = {"superuser": superuser, "operator": operator, "active": active}
        changes = {key: value for key, value in wanted.items() if value is not None}
        if ingests:
            changes["ingests"] = [site for site in ingests if site]
        if observatory:
            changes["observatories"] = [site for site in observatory if site]
        if add_proposal or remove_proposal:
            present = (await api.user(name))["proposals"]
            unknown = sorted(set(remove_proposal) - set(present))
            if unknown:
                raise CommandError(f"{name} is not in {', '.join(unknown)}, but in {', '.join(present) or 'none'}")
            kept = [proposal for proposal in present if proposal not in remove_proposal]
            changes["proposals"] = list(dict.fromkeys([*kept, *add_proposal]))
        if not changes:
            raise CommandError("name something to change: see `datalab users edit --help`", ExitCode.USAGE)
        return await api.change_user(name, **changes)

    user = ask(change, as_admin=True)
    if as_json:
        print_json(user)
    else:
        typer.echo(_line(user))


@app.command()
def delete(name: str, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete a user with all their sessions and operations, for ever."""
    if not yes and not typer.confirm(f"Delete {name} with all their sessions and results?"):
        raise CommandError("nothing was deleted")
    ask(lambda api: api.delete_user(name), as_admin=True)


def _line(user: dict[str, Any]) -> str:
    marks = [mark for mark in ("superuser", "operator") if user.get(mark)] + ([] if user["active"] else ["inactive"])
    ingests = user.get("ingests", [])
    sites = [f"ingests:{site}" for site in ingests]
    if (observatories := user.get("observatories", ingests)) != ingests:
        sites += [f"observatory:{site}" for site in observatories] or ["observatory:none"]
    elsewhere = [] if user.get("origin", "here") == "here" else [f"from:{user['origin']}"]
    return "  ".join([user["username"], *user["proposals"], *sites, *marks, *elsewhere])
