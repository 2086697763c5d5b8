"""`datalab upload`: bring files in as an observatory does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datalab.cli.arguments import demand_site_code
from datalab.cli.connection import CommandError, demand_servers
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import JsonOption


def upload(
    files: Annotated[list[Path], typer.Argument(help="the files; what belongs to one frame may come in any order")],
    site: Annotated[str, typer.Option(metavar="CODE", help="site the files come from")],
    timeout: Annotated[float, typer.Option(min=0, help="longest wait for the archive's word on a file, in s")] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Upload files into the archive, announce them as a site would, and tell what became of each."""
    demand_site_code(site)
    folders = [str(path) for path in files if path.is_dir()]
    if folders:
        raise CommandError(f"{folders[0]} is a folder; name the files in it: {folders[0]}/*", ExitCode.USAGE)
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise CommandError(f"no such file: {', '.join(missing)}", ExitCode.USAGE)
    demand_servers("DATALAB_NATS_URL", "DATALAB_S3_URL")
    from datalab.cli.work.upload import upload_files  # noqa: PLC0415 - loaded when called

    upload_files(files, site=site, timeout_s=timeout, as_json=as_json)
