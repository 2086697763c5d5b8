"""The work of `datalab watch`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from datalab.cli.connection import CommandError, api_error
from datalab.cli.output import note, printable
from datalab.cli.standard_output import while_somebody_reads
from datalab.client.feed import FeedRefusedError
from datalab.client.rest import Datalab, DatalabApiError
from datalab.events.feed import (
    FeedEvent,
    FileRefused,
    FrameChanged,
    FrameDeleted,
    InfoImageChanged,
    OperationChanged,
    OperationDeleted,
    SessionChanged,
    SessionDeleted,
)
from datalab.events.frames import RemovalCause


def print_feed(api_url: str, *, token: str, sessions: Sequence[int], sites: Sequence[str], as_json: bool) -> None:
    """Print a line for each operation as it stands, then one for each event, until Ctrl-C. Raises `CommandError`."""

    async def listen() -> None:
        with while_somebody_reads():
            await print_all()

    async def print_all() -> None:
        async with Datalab(api_url, token) as api:
            latest = [session["id"] for session in await api.sessions()]
            watched = sessions if sessions or sites else latest
            for session in sessions:
                await api.session(session)  # what REST says of one that is not there is clearer than the feed
            if not watched and not sites:
                raise CommandError("you have no session to watch: `datalab sessions add NAME FRAME...` opens one")
            async with api.feed() as feed:
                # First subscribed, then read: what happens in between is heard, and nothing is missed.
                await feed.subscribe(sessions=watched, sites=sites)
                for session in watched:
                    for operation in await api.operations(session):
                        _print_state(session, operation, as_json=as_json)
                note("listening; Ctrl-C ends it")
                async for heard in feed:
                    event = heard.event
                    text = event.model_dump_json() if as_json else f"{_clock(event.occurred_at)}  {_line(event)}"
                    typer.echo(printable(text))

    try:
        asyncio.run(listen())
    except FeedRefusedError as error:
        raise CommandError(str(error)) from error
    except DatalabApiError as error:
        raise api_error(error) from error


def _print_state(session: int, operation: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"session_id": session, **operation}))
        return
    line = _operation_line(
        session,
        operation["id"],
        operation["name"],
        operation["state"],
        operation["operation_progress"],
        operation["message"],
    )
    typer.echo(printable(f"{_clock(datetime.now(UTC))}  {line}"))


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"


def _operation_line(session: int, number: int, name: str, status: str, progress: float, message: str) -> str:  # noqa: PLR0917
    return f"session {session} operation {number} {name}: {status} {progress:.0%} {message}".rstrip()


def _line(event: FeedEvent) -> str:
    match event:
        case OperationChanged():
            return _operation_line(
                event.session_id,
                event.operation_id,
                event.name,
                event.status,
                event.operation_progress,
                event.message,
            )
        case OperationDeleted():
            return f"session {event.session_id} operation {event.operation_id}: deleted"
        case SessionChanged():
            return f"session {event.session_id}: {event.name}"
        case SessionDeleted():
            return f"session {event.session_id}: deleted"
        case FrameChanged() | FrameDeleted() | InfoImageChanged():
            return f"{_called(event)}: {_fate(event)}"
        case FileRefused():
            return f"refused {event.key}: {event.reason}"


def _called(event: FrameChanged | FrameDeleted | InfoImageChanged) -> str:
    if isinstance(event, InfoImageChanged):
        return f"info image {event.basename} on channel {event.channel}"
    return f"frame {event.basename}"


def _fate(event: FrameChanged | FrameDeleted | InfoImageChanged) -> str:
    if isinstance(event, FrameDeleted):
        return "deleted" if event.cause is RemovalCause.REQUESTED else "expired"
    return ", ".join(event.roles)
