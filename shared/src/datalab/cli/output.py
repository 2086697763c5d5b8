"""What commands print: for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="print the API's own answer, as JSON")]


def print_json(answer: Any) -> None:
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Tell the person at the terminal; a script that reads the output does not get it."""
    typer.echo(text, err=True)


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns as wide as their widest entry; the last column is not filled up."""
    lines = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        filled = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
        typer.echo("  ".join([*filled, line[-1]]).rstrip())


def printable(text: str) -> str:
    """Return a text of somebody else's as one line that cannot steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def moment(text: str) -> str:
    """Return an instant of the API, ISO 8601 in UTC, to the second."""
    return f"{text[:10]} {text[11:19]}"


def shortened(names: Sequence[str], *, most: int = 6) -> str:
    """Return a list of names as a text; of a long one the first few, and how many more there are."""
    left_out = len(names) - most
    shown = list(names[:most]) + ([f"and {left_out} more"] if left_out > 0 else [])
    return ", ".join(shown)


class Pause:
    """Tells once that the system is waited for, and once that it goes on."""

    def __init__(self) -> None:
        self._waiting = False

    def begin(self, reason: str) -> None:
        if not self._waiting:
            note(printable(f"waiting for the system: {reason}"))
        self._waiting = True

    def end(self) -> None:
        if self._waiting:
            note("it goes on")
        self._waiting = False
