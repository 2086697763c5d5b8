"""`datalab sites`: observatories with credentials of their own, on the bus and in the object store."""

from __future__ import annotations

import typer

from datalab.cli import site_configs
from datalab.cli.arguments import demand_site_code

app = typer.Typer(help="Observatories, and what each connects with.", no_args_is_help=True)
app.add_typer(site_configs.app, name="config")


@app.command()
def add(site: str) -> None:
    """Make credentials for a site and print them, as lines that a shell or an env file takes."""
    demand_site_code(site)
    from datalab.cli.work.sites import add_site  # noqa: PLC0415 - loaded when called

    add_site(site)


@app.command("list")
def list_() -> None:
    """List the sites that have credentials."""
    from datalab.cli.work.sites import list_sites  # noqa: PLC0415 - loaded when called

    list_sites()


@app.command()
def remove(site: str) -> None:
    """Take a site's credentials away; its connections are cut. Its frames stay."""
    demand_site_code(site)
    from datalab.cli.work.sites import remove_site  # noqa: PLC0415 - loaded when called

    remove_site(site)


@app.command()
def apply() -> None:
    """Write what the servers read of the list, and have the bus read it. Safe to repeat."""
    from datalab.cli.work.sites import apply_sites  # noqa: PLC0415 - loaded when called

    apply_sites()
