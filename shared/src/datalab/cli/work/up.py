"""The work of `datalab up` and `datalab demo`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from shlex import quote
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table

from datalab.cli.connection import DATA_DIR, CommandError
from datalab.cli.work.demonstration import DEMO_USER, DemoFailedError, Figures
from datalab.cli.work.fits_folder import fits_files
from datalab.client.rest import Datalab
from datalab.errors import DatalabError
from datalab.local.binaries import BinaryUnavailableError
from datalab.local.interrupt import stopped_by_signal
from datalab.local.ports import free_port
from datalab.local.process import ChildFailedError
from datalab.local.reach import Reach
from datalab.local.status import StatusView, status_view
from datalab.local.system import System, running_system

ResultT = TypeVar("ResultT")


def keep_running(data_dir: Path, *, runners: int, reach: Reach, demo: bool, data: Path | None) -> None:
    """Run the system until a signal stops it, after the demonstration if `demo`. Raises `CommandError`.

    A demonstration that fails says so, and the system goes on running.
    """

    async def run(view: StatusView) -> None:
        if data:
            fits_files(data)  # said before anything is started
        async with running_system(
            data_dir, runners=runners, reach=reach, on_change=view.update, say=view.note
        ) as system:
            if demo:
                await _shown_demonstration(system, data, data_dir, say=view.note)
            link = f"{await _login_link(system)}   (logs you in, once)" if demo else f"{system.api_url}/"
            view.note(_where_to_look(system, data_dir, console=link))
            await asyncio.Event().wait()

    with status_view() as view:
        _run_until_stopped(lambda: run(view))


def demonstrate(data: Path | None) -> None:
    """Run the demonstration on a system of its own and print its figures. Raises `CommandError`."""
    from datalab.cli.work.demo import Demo  # noqa: PLC0415 - loads astronomy

    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    async def run(root: str) -> Figures:
        if data:
            fits_files(data)  # said before anything is started
        # Nobody looks for this one at the usual port, where another may be about to start.
        async with running_system(Path(root), reach=Reach(api_port=free_port())) as system:
            return await Demo(system, say=say).run(data)

    with tempfile.TemporaryDirectory(prefix="datalab-demo-", ignore_cleanup_errors=True) as root:
        figures = _run_until_stopped(lambda: run(root))
    if figures is None:
        raise CommandError("stopped before it was finished")
    _show(figures)
    typer.echo(figures.as_json())
    if figures.refused:
        raise CommandError(f"{len(figures.refused)} files were refused, see above")


async def _shown_demonstration(
    system: System, data: Path | None, data_dir: Path, *, say: Callable[[str], None]
) -> None:
    from datalab.cli.work.demo import Demo  # noqa: PLC0415 - loads astronomy, which a start alone does not need

    try:
        figures = await Demo(system, say=say).run(data)
        _show(figures)
        for line in _how_to_have(figures, data_dir):
            say(line)
    except DemoFailedError as error:
        say(f"ATTENTION: the demonstration did not finish: {error}. The system is running all the same.")


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
    for what, value in figures.rows():
        table.add_row(what, value)
    Console().print(table)


def _how_to_have(figures: Figures, data_dir: Path) -> Iterator[str]:
    """Yield what its user types to have the results."""
    yield f"as its user    export DATALAB_TOKEN=$({_command(f'users token {DEMO_USER}', data_dir)})"
    for result in figures.results:
        yield f"the result     {_command(f'ops download {result.operation_id}', data_dir)}"


async def _login_link(system: System) -> str:
    async with Datalab(system.api_url, system.admin_token) as admin:
        return await admin.login_link(DEMO_USER)


def _where_to_look(system: System, data_dir: Path, *, console: str) -> str:
    lines = [f"console        {console}"]
    lines += [f"API            {system.api_url}/api/   (OpenAPI: {system.api_url}/api/openapi.json)"]
    if system.others_url:
        lines.append(f"for others     {system.others_url}/api/   (files at {system.addresses.s3_public_url})")
    lines += [
        f"feed           {system.api_url.replace('http', 'ws', 1)}/api/feed",
        f"a user         {_command('users add NAME', data_dir)}; {_command('users link NAME', data_dir)} for a browser",
        f"logs           {data_dir}/logs/",
        "stop           Ctrl-C",
    ]
    return "\n".join(lines)


def _command(words: str, data_dir: Path) -> str:
    """Return what to type for a command on this system."""
    return f"{_this_command()} {words}" + ("" if data_dir == DATA_DIR else f" --data-dir {quote(str(data_dir))}")


def _this_command() -> str:
    """Return what to type for this program: its name if that finds it, else its path."""
    called = Path(sys.argv[0])
    if shutil.which(called.name) in (str(called), str(called.absolute())):
        return called.name
    return os.path.relpath(called) if called.is_absolute() and called.is_relative_to(Path.cwd()) else str(called)
