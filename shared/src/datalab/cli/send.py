"""`datalab send`: files of a site, over HTTP alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from datalab.cli.arguments import demand_files, demand_site_code
from datalab.cli.connection import CommandError, open_access
from datalab.cli.exit_codes import ExitCode
from datalab.cli.fates import shown_in

_FILES: Final = "the files; what belongs to one frame may come in any order"


def send(
    *,
    files: Annotated[list[Path] | None, typer.Argument(help=_FILES)] = None,
    site: Annotated[str, typer.Option(metavar="CODE", help="site the files come from")],
    watch: Annotated[
        Path | None, typer.Option(metavar="FOLDER", file_okay=False, help="send what appears in this folder")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="end when the folder has nothing more to send")] = False,
    subfolders: Annotated[bool, typer.Option("--subfolders", help="also what appears in folders below it")] = False,
    settle: Annotated[
        float, typer.Option(min=0.1, help="a file is complete when nothing has changed for so long, in s")
    ] = 2.0,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="where is noted what was sent; beside the folder if not given"),
    ] = None,
    info_channel: Annotated[
        int | None, typer.Option(min=1, max=3, help="the files are info images, to be shown on this channel")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="files on their way at once")] = 4,
    timeout: Annotated[float, typer.Option(min=0, help="longest wait for the archive's word on a file, in s")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="print each word as JSON, one on a line")] = False,
) -> None:
    """Send files of a site as its software does, and tell what became of each.

    Needs the address of the API only; a token (`DATALAB_TOKEN`) where the operator has not opened the site. With
    `--watch` it goes on until Ctrl-C, through restarts of the archive, and sends nothing twice when started again.
    """
    demand_site_code(site)
    if (watch is None) == (not files):
        raise CommandError("name either files, or a folder with --watch", ExitCode.USAGE)
    from datalab.cli.work.send import Sending, Watching, send_files, watch_folder  # noqa: PLC0415 - loaded when called

    sending = Sending(
        site=site,
        folder="data" if info_channel is None else "info-images",
        channel=info_channel,
        at_once=at_once,
        timeout_s=timeout,
        show=shown_in(as_json=as_json),
    )
    if watch is None:
        demand_files(files or [])
        send_files(open_access(), files or [], sending)
        return
    if not watch.is_dir():
        raise CommandError(f"no such folder: {watch}", ExitCode.USAGE)
    folder = watch.resolve()
    watching = Watching(
        folder=folder,
        subfolders=subfolders,
        settle_s=settle,
        state=state or folder.with_name(f".{folder.name}.sent-{site}.jsonl"),
        once=once,
    )
    watch_folder(open_access(), watching, sending)
