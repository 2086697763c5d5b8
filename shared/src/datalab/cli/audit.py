"""`datalab audit`: who changed what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from datalab.cli.connection import ask
from datalab.cli.output import JsonOption, note, print_json, print_table


def audit(
    *,
    user: Annotated[str | None, typer.Option(help="changes by this user only")] = None,
    since: Annotated[str | None, typer.Option(help="from this time on: 2026-11-20, or 2026-11-20T22:00:00Z")] = None,
    until: Annotated[str | None, typer.Option(help="before this time")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="entries")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the latest changes, the newest first: when, who, from where, what, and how it was answered.

    The token of an operator is needed, or the administrator's as `DATALAB_TOKEN`.
    """
    filters = {name: said for name, said in (("username", user), ("since", since), ("until", until)) if said}
    entries = ask(lambda api: api.audit_log(most=most, **filters))
    if as_json:
        print_json(entries)
        return
    if not entries:
        note("nothing was changed")
    print_table(map(_row, entries))


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    about = " ".join(f"{name}={said}" for name, said in entry["about"].items())
    status = "unanswered" if entry["status"] is None else str(entry["status"])
    what = f"{entry['method']} {entry['route']}"
    return entry["at"], entry["username"] or "-", entry["address"], what, about, status
