"""`datalab sites config`: what sites say of themselves, and said before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from datalab.cli.arguments import demand_files, demand_site_code
from datalab.cli.connection import CommandError, ask_openly
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import JsonOption, moment, note, print_json, print_table, printable

app = typer.Typer(help="What sites say of themselves, and said before.", no_args_is_help=True)


@app.command()
def show(
    site: str,
    version: Annotated[int | None, typer.Option(min=1, help="a former one: `history` lists their numbers")] = None,
) -> None:
    """Print a site's configuration, as JSON."""
    demand_site_code(site)
    print_json(ask_openly(lambda api: api.site_configuration(site, version=version)))


@app.command()
def put(
    site: str,
    file: Annotated[Path, typer.Argument(help="a JSON file")],
    replaces: Annotated[
        int | None, typer.Option(min=1, help="the version it was made from: another one is not overwritten")
    ] = None,
) -> None:
    """Replace a site's configuration by what is in a file; DATALAB_TOKEN has to be one of the site, if it is not open.

    The former one stays as a version.
    """
    demand_site_code(site)
    demand_files([file])
    configuration = _read(file)
    for warning in ask_openly(lambda api: api.put_site_configuration(site, configuration, replaces=replaces)):
        note(printable(f"warning: {warning}"))


@app.command()
def history(site: str, as_json: JsonOption = False) -> None:
    """List the versions of a site's configuration, newest first."""
    demand_site_code(site)
    versions = ask_openly(lambda api: api.site_configuration_versions(site))
    if as_json:
        print_json(versions)
    else:
        print_table(
            (str(each["version"]), moment(each["modified"]), f"{each['size_bytes']} bytes", _by(each))
            for each in versions
        )


def _read(file: Path) -> dict[str, Any]:
    """Return what is in a file. Raises `CommandError` for what is no JSON object."""
    try:
        configuration = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(printable(f"{file} cannot be read: {error}"), ExitCode.USAGE) from error
    if not isinstance(configuration, dict):
        raise CommandError(f"{file} holds no JSON object", ExitCode.USAGE)
    return configuration


def _by(version: dict[str, Any]) -> str:
    who = f"by {version['by']}" if version["by"] else ""
    return f"forgotten {who}" if version["removed"] else who
