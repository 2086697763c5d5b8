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
PortOption = typer.Option(min=1, max=65_535, help="its port; 8000 or a free one if not given")
StorePortOption = typer.Option(min=1, max=65_535, help="port of the object store; if not given, the one of before")


def up(  # noqa: PLR0917 - typer calls it by name
    data_dir: Annotated[Path, typer.Option(help="where everything is kept between runs")] = DATA_DIR,
    runners: Annotated[int, typer.Option(min=1, help="operation runners")] = 1,
    host: Annotated[str, typer.Option(help="address the API and its files are reached at")] = "127.0.0.1",
    port: Annotated[int | None, PortOption] = None,
    s3_port: Annotated[int | None, StorePortOption] = None,
    public_url: Annotated[str | None, typer.Option(help="how others reach the API, if by another name")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="first bring in a night and take its median")] = False,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="the same with the FITS files of a folder")
    ] = None,
) -> None:
    """Start servers and services, keep them running, stop them on Ctrl-C."""
    from datalab.cli.work.up import keep_running  # noqa: PLC0415 - loaded when called
    from datalab.local.reach import Reach  # noqa: PLC0415

    reach = Reach(host=host, api_port=port, s3_port=s3_port, public_url=public_url)
    keep_running(data_dir, runners=runners, reach=reach, demo=demo or data is not None, data=data)


def demo(data: DataOption = None) -> None:
    """Do what `up --demo` does in a folder of its own, then stop. The last line is JSON."""
    from datalab.cli.work.up import demonstrate  # noqa: PLC0415 - loaded when called

    demonstrate(data)
