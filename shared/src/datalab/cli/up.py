"""`datalab up` and `datalab demo`: the whole system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datalab.cli.connection import DATA_DIR

DataOption = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="folder of FITS files to use instead of a simulated night"),
]


def up(  # noqa: PLR0917 - typer calls it by name
    data_dir: Annotated[Path, typer.Option(help="where everything is kept between runs")] = DATA_DIR,
    runners: Annotated[int, typer.Option(min=1, help="operation runners")] = 1,
    host: Annotated[str, typer.Option(help="address the API listens on")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="its port; 8000 or a free one if not given")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="first bring in a night and take its median")] = False,
    data: DataOption = None,
) -> None:
    """Start servers and services, keep them running, stop them on Ctrl-C."""
    from datalab.cli.work.up import keep_running  # noqa: PLC0415 - loaded when called

    keep_running(data_dir, runners=runners, api_host=host, api_port=port, demo=demo, data=data)


def demo(data: DataOption = None) -> None:
    """Do what `up --demo` does in a folder of its own, then stop. The last line is JSON."""
    from datalab.cli.work.up import demonstrate  # noqa: PLC0415 - loaded when called

    demonstrate(data)
