"""Words of a command line that name something, read as listings show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode
from datalab.events import site_codes

#: `@12` stands for every image operation 12 makes, `@12.2` for the second one.
OUTPUT: Final = re.compile(r"@(?P<operation>[1-9]\d{0,17})(?:\.(?P<output>[1-9]\d{0,8}))?")


@dataclass(frozen=True, slots=True)
class Made:
    """What an operation made: all of it, or one output, counted from 1."""

    operation: int
    output: int | None = None


def made(word: str) -> Made:
    """Return what `12`, `@12` or `@12.2` names. Raises `typer.BadParameter`."""
    found = OUTPUT.fullmatch(f"@{word.removeprefix('@')}")
    if found is None:
        raise typer.BadParameter(f"{word!r} is no operation, such as 12 or @12, nor an output of one, such as @12.2")
    return Made(int(found["operation"]), int(found["output"]) if found["output"] else None)


def operation_number(word: str) -> int:
    """Return the number that `12` or `@12` names. Raises `typer.BadParameter`."""
    found = OUTPUT.fullmatch(f"@{word.removeprefix('@')}")
    if found is None or found["output"]:
        raise typer.BadParameter(f"{word!r} is no number of an operation, such as 12 or @12")
    return int(found["operation"])


def demand_site_code(word: str) -> None:
    """Raise `CommandError` for what cannot be the code of a site."""
    if not re.fullmatch(site_codes.PATTERN, word):
        raise CommandError(f"{word!r} is no code of a site, which is {site_codes.RIGHT}", ExitCode.USAGE)


def demand_files(files: Sequence[Path]) -> None:
    """Raise `CommandError` for what is no file."""
    folders = [str(path) for path in files if path.is_dir()]
    if folders:
        raise CommandError(f"{folders[0]} is a folder; name the files in it: {folders[0]}/*", ExitCode.USAGE)
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise CommandError(f"no such file: {', '.join(missing)}", ExitCode.USAGE)
