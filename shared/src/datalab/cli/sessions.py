"""`datalab sessions`: named sets of frames, with what was computed from them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from datalab.cli.connection import CommandError, ask
from datalab.cli.exit_codes import ExitCode
from datalab.cli.groups import group_named
from datalab.cli.operation_inputs import InputError, frame_item, has_pattern
from datalab.cli.operation_text import operation_row
from datalab.cli.output import JsonOption, moment, note, print_json, print_table, printable
from datalab.cli.output_names import file_label
from datalab.client.rest import Datalab

app = typer.Typer(help="Data sessions.", no_args_is_help=True)

SessionArgument = Annotated[int | None, typer.Argument(min=1, help="its number; your newest one if not given")]


SharedSession = Annotated[int, typer.Argument(min=1, help="its number")]
GroupOption = Annotated[bool, typer.Option("--group", help="it is a group: its number or its name")]


@app.command("list")
def list_(
    shared: Annotated[bool, typer.Option("--shared", help="also those that others share with you")] = False,
    as_json: JsonOption = False,
) -> None:
    """List your latest sessions, newest first."""
    found = ask(lambda api: api.sessions(shared=shared))
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
                *((f"{session['role']}, of {session['user']}",) if shared else ()),
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


@app.command()
def share(
    session: SharedSession,
    who: Annotated[str, typer.Argument(help="name of a user; with --group, of a group")],
    group: GroupOption = False,
    editor: Annotated[
        bool, typer.Option("--editor", help="who may also add frames and start, stop and delete operations")
    ] = False,
) -> None:
    """Share a session of yours, to be looked at; or change what somebody may do in it."""
    role = "editor" if editor else "viewer"

    async def change(api: Datalab) -> None:
        if group:
            await api.share_with_group(session, (await group_named(api, who))["id"], role=role)
        else:
            await api.share_with_user(session, who, role=role)

    ask(change)


@app.command()
def unshare(
    session: SharedSession,
    who: Annotated[str, typer.Argument(help="name of a user; your own to leave a session; with --group, of a group")],
    group: GroupOption = False,
) -> None:
    """Share a session no longer; it is closed to them at once."""

    async def change(api: Datalab) -> None:
        if group:
            await api.unshare_with_group(session, await _shared_group(api, session, who))
        else:
            await api.unshare_with_user(session, who)

    ask(change)


@app.command()
def shares(session: SharedSession, as_json: JsonOption = False) -> None:
    """List with whom a session of yours is shared."""
    found = ask(lambda api: api.shares(session))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["user"] if "user" in each else f"group {each['group']} {each['group_name']}",
            each["role"],
            moment(each["since"]),
        )
        for each in found["shares"]
    ]
    if found["link"]:
        rows.append(("whoever has the link", "viewer", moment(found["link"]["since"])))
    if not rows:
        note("it is shared with nobody: `datalab sessions share` does that")
    print_table(rows)


@app.command()
def link(
    session: SharedSession,
    revoke: Annotated[bool, typer.Option("--revoke", help="have the link there is open nothing any more")] = False,
) -> None:
    """Print a new link to a session of yours, this once: whoever has it may look at the session, without a token.

    A link there was before opens nothing any more. It is sent as the header X-Session-Link.
    """
    if revoke:
        ask(lambda api: api.revoke_link(session))
    else:
        typer.echo(ask(lambda api: api.make_link(session)))


@app.command()
def give(
    session: SharedSession, user: str, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False
) -> None:
    """Give a session of yours away; you stay one of its editors until the new owner says otherwise."""
    if not yes and not typer.confirm(f"Give session {session} to {user}, who decides about it from then on?"):
        raise CommandError("nothing was given away")
    ask(lambda api: api.give_session(session, user))


async def _shared_group(api: Datalab, session: int, word: str) -> int:
    """Return the number of a group that a session is shared with, which need not be yours any more."""
    named = [each for each in (await api.shares(session))["shares"] if "group" in each]
    found = [each["group"] for each in named if word in {str(each["group"]), each["group_name"]}]
    if len(found) != 1:
        several = "several groups of that name: say which by its number" if found else "no such group"
        raise CommandError(f"the session is shared with {several}", ExitCode.NOT_FOUND)
    return int(found[0])


async def newest_session(api: Datalab) -> dict[str, Any]:
    """Return your newest session. Raises `CommandError` if you have none."""
    sessions = await api.sessions()
    if not sessions:
        raise CommandError("you have no session: `datalab sessions add NAME FRAME...` opens one", ExitCode.NOT_FOUND)
    return sessions[0]
