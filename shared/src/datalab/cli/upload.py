"""`datalab upload`: bring in files of one's own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import typer

from datalab.cli.arguments import demand_files
from datalab.cli.connection import api_access, ask
from datalab.cli.fates import Fate, Told, end_with
from datalab.cli.output import JsonOption, print_json, printable
from datalab.client.rest import ApiRefusedError, Datalab, JsonObject

#: Files on their way at once: while one is looked at, others are sent.
_AT_ONCE: Final = 3


def upload(
    files: Annotated[list[Path], typer.Argument(help="the files")],
    timeout: Annotated[float, typer.Option(min=0, help="longest wait for the archive's word on a file, in s")] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Upload files of your own, which you alone see, and tell what became of each.

    Interrupted, it goes on where it was. Files of a site are sent with `datalab send`.
    """
    demand_files(files)
    api_access()  # said before a progress bar is drawn
    told = _send_all(files, timeout_s=timeout, as_json=as_json)
    if as_json:
        print_json([asdict(each) for each in told])
    end_with(told)


def _send_all(files: Sequence[Path], *, timeout_s: float, as_json: bool) -> list[Told]:
    total = sum(path.stat().st_size for path in files)
    drawn = sys.stderr.isatty()  # a line in the middle of the bar is none
    with typer.progressbar(length=total, label="Uploading", file=sys.stderr, hidden=not drawn) as progress:

        async def send(api: Datalab) -> list[Told]:
            turn = asyncio.Semaphore(_AT_ONCE)
            told: list[Told] = []
            sending = [_send(api, path, timeout_s=timeout_s, turn=turn, on_progress=progress.update) for path in files]
            for next_told in asyncio.as_completed(sending):
                told.append(await next_told)
                if not (as_json or drawn):
                    typer.echo(printable(told[-1].line))
            return told

        told = ask(send)
    if drawn and not as_json:
        for each in told:
            typer.echo(printable(each.line))
    return told


async def _send(
    api: Datalab,
    path: Path,
    *,
    timeout_s: float,
    turn: asyncio.Semaphore,
    on_progress: Callable[[int], None],
) -> Told:
    from datalab.client.uploads import send_file, settled  # noqa: PLC0415 - loaded when called

    async with turn:
        try:
            upload = await send_file(api, path, on_progress=on_progress)
        except OSError as error:
            return Told(file=str(path), verdict=Fate.REFUSED, reason=f"cannot be read: {error.strerror}")
        except ApiRefusedError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            return Told(file=str(path), verdict=Fate.REFUSED, reason=error.reason)
    known = upload["state"] == "ingested"
    try:
        upload = await settled(api, upload, within_s=timeout_s)
    except TimeoutError:
        reason = f"stored, but the archive has not looked at it within {timeout_s:g} s"
        return Told(file=str(path), verdict=Fate.UNKNOWN, reason=reason)
    return _told(path, upload, known=known)


def _told(path: Path, upload: JsonObject, *, known: bool) -> Told:
    if upload["state"] == "refused":
        return Told(file=str(path), verdict=Fate.REFUSED, reason=upload["reason"])
    if known or upload["frame"] is None:
        reason = upload["reason"] or f"frame {upload['frame']} has this file already"
        return Told(file=str(path), verdict=Fate.UNCHANGED, frame=upload["frame"], reason=reason)
    return Told(file=str(path), verdict=Fate.INGESTED, frame=upload["frame"])
