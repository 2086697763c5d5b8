"""`datalab watch`: how things stand, then the feed, as text."""

from __future__ import annotations

from typing import Annotated

import typer

from datalab.cli.arguments import demand_site_code
from datalab.cli.connection import api_access


def watch(
    session: Annotated[list[int] | None, typer.Option(min=1, help="session to watch; repeatable")] = None,
    site: Annotated[list[str] | None, typer.Option(help="site to watch; repeatable")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print operations and events as JSON, one on a line")] = False,
) -> None:
    """Print how operations stand, then what happens, until Ctrl-C: in your latest sessions, unless some are named."""
    for each in site or ():
        demand_site_code(each)
    url, token = api_access()
    from datalab.cli.work.watch import print_feed  # noqa: PLC0415 - loaded when called

    print_feed(url, token=token, sessions=session or [], sites=site or [], as_json=as_json)
