"""The work of `datalab watch`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import typer

from datalab.cli.connection import CommandError
from datalab.client.feed import FeedRefusedError
from datalab.client.rest import Datalab
from datalab.events.feed import FileRefused, FrameChanged, OperationChanged


def print_feed(api_url: str, *, token: str, sessions: Collection[int], sites: Collection[str]) -> None:
    """Print a line for each event until Ctrl-C. Raises `CommandError`."""

    async def listen() -> None:
        async with Datalab(api_url, token).feed() as feed:
            await feed.subscribe(sessions=sessions, sites=sites)
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
