"""`datalab watch`: the feed, as text."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from datalab.cli.connection import CommandError


def watch(
    session: Annotated[list[int], typer.Option(help="session to watch; repeatable")] = [],  # noqa: B006
    site: Annotated[list[str], typer.Option(help="site to watch; repeatable")] = [],  # noqa: B006
) -> None:
    """Print what happens in sessions and at sites, until Ctrl-C."""
    url, token = os.environ.get("DATALAB_API_URL"), os.environ.get("DATALAB_TOKEN")
    if not url or not token:
        raise CommandError("set DATALAB_TOKEN (`datalab users add`), and DATALAB_API_URL if no `datalab up` runs here")
    if not session and not site:
        raise CommandError("name at least one --session or --site")
    from datalab.cli.work.watch import print_feed  # noqa: PLC0415 - loaded when called

    print_feed(url, token=token, sessions=session, sites=site)
