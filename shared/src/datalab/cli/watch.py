"""`datalab watch`: the feed, as text."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from datalab.cli.connection import CommandError
from datalab.events.feed import FileRefused, FrameChanged, OperationChanged
from datalab.testing.feed_client import FeedClient, FeedRefusedError


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

    async def listen() -> None:
        async with FeedClient(f"{url.replace('http', 'ws', 1)}/api/feed", token=token) as feed:
            await feed.subscribe(sessions=session, sites=site)
            async for heard in feed:
                typer.echo(f"{heard.sequence:>8}  {heard.event.occurred_at:%H:%M:%S}  {_line(heard.event)}")

    try:
        asyncio.run(listen())
    except FeedRefusedError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        return


def _line(event: object) -> str:
    match event:
        case OperationChanged():
            done = f"{event.operation_progress:.0%}"
            what = f"session {event.session_id} operation {event.operation_id} {event.name}"
            return f"{what}: {event.status} {done} {event.message}"
        case FrameChanged():
            return f"frame {event.basename}: {', '.join(event.roles)}"
        case FileRefused():
            return f"refused {event.key}: {event.reason}"
        case _:
            return repr(event)
