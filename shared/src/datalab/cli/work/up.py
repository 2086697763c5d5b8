"""The work of `datalab up` and `datalab demo`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table

from datalab.cli.connection import CommandError
from datalab.cli.work.demo import Demo, DemoFailedError, Figures, fits_files
from datalab.errors import DatalabError
from datalab.local.binaries import BinaryUnavailableError
from datalab.local.interrupt import stopped_by_signal
from datalab.local.ports import free_port
from datalab.local.process import ChildFailedError
from datalab.local.status import StatusView, status_view
from datalab.local.system import System, running_system

ResultT = TypeVar("ResultT")


def keep_running(
    data_dir: Path, *, runners: int, api_host: str, api_port: int | None, demo: bool, data: Path | None
) -> None:
    """Run the system until a signal stops it, after the demonstration if `demo`. Raises `CommandError`."""

    async def run(view: StatusView) -> None:
        if demo and data:
            fits_files(data)  # said before anything is started
        async with running_system(
            data_dir, runners=runners, api_host=api_host, api_port=api_port, on_change=view.update
        ) as system:
            if demo:
                _show(await Demo(system, say=view.note).run(data))
            view.note(_where_to_look(system, data_dir))
            await asyncio.Event().wait()

    with status_view() as view:
        _run_until_stopped(lambda: run(view))


def demonstrate(data: Path | None) -> None:
    """Run the demonstration on a system of its own and print its figures. Raises `CommandError`."""
    console = Console()

    async def run(root: str) -> Figures:
        if data:
            fits_files(data)  # said before anything is started
        # Nobody looks for this one at the usual port, where another may be about to start.
        async with running_system(Path(root), api_port=free_port()) as system:
            return await Demo(system, say=lambda line: console.print(line, markup=False, highlight=False)).run(data)

    with tempfile.TemporaryDirectory(prefix="datalab-demo-", ignore_cleanup_errors=True) as root:
        figures = _run_until_stopped(lambda: run(root))
    if figures is None:
        raise CommandError("stopped before it was finished")
    _show(figures)
    typer.echo(figures.as_json())


def _run_until_stopped(start: Callable[[], Coroutine[None, None, ResultT]]) -> ResultT | None:
    """Return the coroutine's result, None if a signal stopped it; a known failure ends the command with its text."""

    async def run() -> ResultT | None:
        with stopped_by_signal():
            return await start()
        return None  # a signal ended the block before it could return

    try:
        return asyncio.run(run())
    except DemoFailedError as error:
        raise CommandError(f"the demonstration failed: {error}") from error
    except (BinaryUnavailableError, ChildFailedError, DatalabError) as error:
        raise CommandError(str(error)) from error


def _show(figures: Figures) -> None:
    table = Table(title="Demonstration", show_header=False, box=None)
    table.add_row("frames ingested", str(len(figures.arrivals)))
    table.add_row("upload to visible, median", f"{figures.upload_to_visible_ms_p50:.0f} ms")
    for result in figures.results:
        agreement = f"equal to numpy's to {result.largest_difference:g}"
        table.add_row(f"Median of {len(result.basenames)} frames", f"{result.elapsed_s:.2f} s, {agreement}")
    Console().print(table)
    for result in figures.results:  # outside the table: a link that is cut cannot be followed
        typer.echo(f"operation {result.operation_id}")
        for name in ("fits_url", "large_url", "small_url"):
            typer.echo(f"  {name.removesuffix('_url'):<6}{result.output[name]}")


def _where_to_look(system: System, data_dir: Path) -> str:
    return "\n".join(
        (
            f"API            {system.api_url}/api/   (OpenAPI: {system.api_url}/api/openapi.json)",
            f"feed           {system.api_url.replace('http', 'ws', 1)}/api/feed",
            "a user         .venv/bin/datalab users add NAME",
            f"logs           {data_dir}/logs/",
            "stop           Ctrl-C",
        )
    )
