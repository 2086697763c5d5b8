"""`datalab upload`: bring files in as an observatory does."""

from __future__ import annotations

from pathlib import Path

import typer

from datalab.cli.connection import CommandError


def upload(files: list[Path], site: str = typer.Option(help="site the files come from")) -> None:
    """Upload files into the archive and announce them as `site` would."""
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise CommandError(f"no such file: {', '.join(missing)}")
    from datalab.cli.work.upload import upload_files  # noqa: PLC0415 - loaded when called

    upload_files(files, site=site)
