"""`datalab frames`: what the archive has, and files of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from datalab.cli.completion import frames_beginning_with
from datalab.cli.connection import CommandError, ask, ask_openly
from datalab.cli.exit_codes import ExitCode
from datalab.cli.frame_files import FrameFile, files_of, save_files
from datalab.cli.output import JsonOption, moment, note, print_json, print_table, printable, shortened
from datalab.client.frames import NoFrameError, each_frame, frames_named, position_of, remove_frame
from datalab.client.rest import ApiRefusedError, Datalab

JsonObject = dict[str, Any]
T = TypeVar("T")

#: As far from an object as an image usually has it on it, degrees.
_NEAR_DEG: Final = 0.1
#: Ingest removes frames; it is asked to, and may be busy.
_REMOVAL_S: Final = 60.0

app = typer.Typer(help="Frames of the archive: find, look at, save and delete them.", no_args_is_help=True)

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="FRAME...", help="numbers, names, or 'patterns*' of names", autocompletion=frames_beginning_with
    ),
]
Word = Annotated[
    str, typer.Argument(metavar="FRAME", help="its number or its name", autocompletion=frames_beginning_with)
]


@app.command("list")
def list_(  # noqa: PLR0917 - typer calls it by name
    site: Annotated[str | None, typer.Option(help="site in the header, SITEID")] = None,
    target: Annotated[str | None, typer.Option(help="contained in the target's name, in either case")] = None,
    filter_name: Annotated[str | None, typer.Option("--filter", help="filter")] = None,
    start: Annotated[
        str | None, typer.Option(help="observed then or later, UTC: 2026-11-29 or 2026-11-29T20:00")
    ] = None,
    end: Annotated[str | None, typer.Option(help="observed then or earlier")] = None,
    ra: Annotated[float | None, typer.Option(min=0, max=360, help="right ascension that is near, degrees")] = None,
    dec: Annotated[float | None, typer.Option(min=-90, max=90, help="its declination, degrees")] = None,
    radius: Annotated[float, typer.Option(min=0, help="how near, degrees")] = _NEAR_DEG,
    target_name: Annotated[
        str | None, typer.Option(metavar="OBJECT", help="near this object, as SIMBAD has it")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="only your own and your proposals', not public yet")] = False,
    limit: Annotated[int, typer.Option(min=0, help="most frames; 0 is all of them")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List frames, the newest first. Without a token those that are public."""
    if (ra is None) != (dec is None) or (ra is not None and target_name is not None):
        raise CommandError("name --ra and --dec, or --target-name", ExitCode.USAGE)
    filters: dict[str, Any] = {
        "site_id": site,
        "target_name": target,
        "primary_optical_element": filter_name,
        "start": start,
        "end": end,
        "public": False if mine else None,
    }

    async def read(api: Datalab) -> tuple[list[JsonObject], bool]:
        place = (ra, dec) if target_name is None else await position_of(api, target_name)
        if place[0] is not None:
            filters.update(ra=place[0], dec=place[1], radius=radius)
        found: list[JsonObject] = []
        given = {name: value for name, value in filters.items() if value is not None}
        async with aclosing(each_frame(api, **given)) as frames:
            async for frame in frames:
                if limit and len(found) == limit:
                    return found, True
                found.append(frame)
        return found, False

    found, more = _answered(read, as_user=mine)
    if as_json:
        print_json(found)
    else:
        print_table(map(_row, found))
    if not found:
        note("no frames fit" if any(value is not None for value in filters.values()) else "no frames you may read")
    if more:
        note(f"there are more than these {limit}: --limit 0 lists all")


@app.command()
def show(frame: Word, as_json: JsonOption = False) -> None:
    """Show a frame: what is known of it, what of its header was left out or mended, and its files."""
    found = _one(frame)
    if as_json:
        print_json(found)
        return
    rows = [
        (name, str(value))
        for name, value in found.items()
        if name.islower() and isinstance(value, (str, int, float)) and value not in {"", None} and name != "url"
    ]
    rows += [("note", text) for text in found.get("notes", ())]
    rows += [("file", _file_text(version)) for version in found["version_set"]]
    print_table(rows)


@app.command()
def headers(frame: Word, as_json: JsonOption = False) -> None:
    """Print the header of a frame."""

    async def read(api: Datalab) -> JsonObject:
        number = (await _single(api, frame))["id"]
        header: JsonObject = (await api.call("GET", f"frames/{number}/headers/"))["data"]
        return header

    found = _answered(read)
    if as_json:
        print_json(found)
    else:
        print_table((keyword, str(value)) for keyword, value in found.items())


@app.command()
def download(  # noqa: PLR0917 - typer calls it by name
    frames: Words,
    to: Annotated[Path, typer.Option(file_okay=False, help="folder to save into")] = Path(),
    every_file: Annotated[
        bool, typer.Option("--every-file", help="all FITS files of a frame; not given, the one to compute with")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files that are others")] = False,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="files fetched at once")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Save files of frames under their own names; what is there is not fetched. Called again, it goes on."""

    async def save_all(api: Datalab) -> list[FrameFile]:
        found = await _several(api, frames)
        files = files_of(found, to, every_file=every_file)
        await save_files(files, overwrite=overwrite, at_once=at_once)
        return files

    saved = _answered(save_all)
    if as_json:
        print_json([str(file.path) for file in saved])


@app.command()
def delete(
    frames: Words,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    force: Annotated[bool, typer.Option("--force", help="also what sessions still use")] = False,
) -> None:
    """Delete frames with their files, for ever: your own, or as a superuser any."""
    found = ask(lambda api: _several(api, frames))
    names = shortened([frame["basename"] for frame in found])
    if not yes and not typer.confirm(printable(f"Delete {len(found)} frames with their files: {names}?")):
        raise CommandError("nothing was deleted")

    async def remove(api: Datalab) -> list[str]:
        kept: list[str] = []
        for frame in found:
            try:
                await remove_frame(api, frame["id"], force=force, within_s=_REMOVAL_S)
            except ApiRefusedError as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
                kept.append(f"{frame['basename']}: {error.reason}")
            else:
                typer.echo(printable(f"{frame['basename']}  deleted"))
        return kept

    try:
        kept = ask(remove)
    except TimeoutError:
        raise CommandError("the archive has not removed it yet, and will", ExitCode.TIMED_OUT) from None
    for line in kept:
        note(printable(line))
    if kept:
        raise CommandError(f"{len(kept)} of {len(found)} frames were kept; --force deletes them all the same")


def _answered(question: Callable[[Datalab], Awaitable[T]], *, as_user: bool = False) -> T:
    """Ask; an object or a frame that is not there ends the command."""
    try:
        return (ask if as_user else ask_openly)(question)
    except NoFrameError as error:
        raise CommandError(printable(str(error)), ExitCode.NOT_FOUND) from error


def _one(word: str) -> JsonObject:
    return _answered(lambda api: _single(api, word))


async def _single(api: Datalab, word: str) -> JsonObject:
    found = await frames_named(api, word)
    if len(found) > 1:
        raise CommandError(f"{word!r} is the name of {len(found)} frames: name one", ExitCode.USAGE)
    return found[0]


async def _several(api: Datalab, words: Sequence[str]) -> list[JsonObject]:
    """Return the frames some words name, each once. Raises `CommandError` for one that names none."""
    try:
        found = [frame for word in words for frame in await frames_named(api, word)]
    except NoFrameError as error:
        raise CommandError(printable(str(error)), ExitCode.NOT_FOUND) from error
    return list({frame["id"]: frame for frame in found}.values())


def _row(frame: JsonObject) -> tuple[str, ...]:
    date, exposure_s = frame["observation_date"], frame["exposure_time"]
    return (
        str(frame["id"]),
        frame["basename"],
        moment(date) if date else "-",
        frame["site_id"] or "-",
        frame["primary_optical_element"] or "-",
        f"{exposure_s:g} s" if exposure_s is not None else "-",
        frame["target_name"] or "-",
    )


def _file_text(version: JsonObject) -> str:
    return f"{version['key'].rpartition('/')[2]}  of {moment(version['created'])}"
