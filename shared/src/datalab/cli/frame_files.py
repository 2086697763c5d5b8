"""Saving files of frames."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from datalab.cli.connection import CommandError
from datalab.cli.downloads import demand_free, unwritable
from datalab.cli.output import printable
from datalab.cli.output_names import safe_name

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFile:
    """A file to be: what a link leads to, which of its versions that is, and its MD5, empty if nobody knows."""

    path: Path
    link: str
    version: str
    md5: str


def files_of(frames: Sequence[JsonObject], folder: Path, *, every_file: bool) -> list[FrameFile]:
    """Return the files to save. Raises `CommandError` when there is none, or two have one name."""
    files = [
        FrameFile(
            path=folder / _name(frame, version),
            link=version["url"],
            version=f"{version['md5']} {version['created']}",
            md5=version["md5"],
        )
        for frame in frames
        for version in (frame["version_set"] if every_file else frame["version_set"][:1])
    ]
    paths = [file.path for file in files]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise CommandError(f"two files would be called {twice}: save them into folders of their own")
    if not files:
        raise CommandError("there is no FITS file to save")
    return files


async def save_files(files: Sequence[FrameFile], *, overwrite: bool, at_once: int) -> None:
    """Save the files, and print the name of each. One that is there already, the same, is left as it is.

    Raises `CommandError` before anything is written over, and `DatalabApiError`.
    """
    present = {file for file in files if file.path.exists() and await asyncio.to_thread(_is_there, file)}
    demand_free([file.path for file in files if file not in present], overwrite=overwrite)
    turn = asyncio.Semaphore(at_once)
    try:
        await asyncio.gather(*(_save(file, turn, there=file in present) for file in files))
    except OSError as error:
        raise unwritable(error, files[0].path) from error


async def _save(file: FrameFile, turn: asyncio.Semaphore, *, there: bool) -> None:
    from datalab.client.downloads import save_link  # noqa: PLC0415 - loaded when called

    async with turn:
        if not there:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            await save_link(file.link, file.path, version=file.version, md5=file.md5 or None)
    typer.echo(printable(f"{file.path}{'  unchanged' if there else ''}"))


def _is_there(file: FrameFile) -> bool:
    from datalab.client.downloads import md5_of  # noqa: PLC0415 - loaded when called

    return bool(file.md5) and file.path.is_file() and md5_of(file.path) == file.md5


def _name(frame: JsonObject, version: JsonObject) -> str:
    """Return what a file is called: as the observatory did, or by its frame where that says nothing."""
    name: str = version["key"].rpartition("/")[2]
    return safe_name(name if name.startswith(frame["basename"]) else f"{frame['basename']}{version['extension']}")
