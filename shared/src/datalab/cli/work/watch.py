"""The work of `datalab watch`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer

from datalab.cli.connection import CommandError, api_error
from datalab.cli.output import Pause, note, printable
from datalab.cli.standard_output import while_somebody_reads
from datalab.client.feed import FeedClient, FeedRefusedError
from datalab.client.rest import Datalab, DatalabApiError
from datalab.events.feed import (
    FeedEvent,
    FileRefused,
    FrameChanged,
    FrameDeleted,
    InfoImageChanged,
    ItemEnqueued,
    JobChanged,
    NightLogChanged,
    OperationChanged,
    OperationDeleted,
    SessionAccessChanged,
    SessionChanged,
    SessionDeleted,
    SiteConfigured,
    SiteLogAdded,
    SitePhaseChanged,
)
from datalab.events.frames import RemovalCause

#: Files of a site that are shown before what happens.
_LATEST: Final = 10


def print_feed(api_url: str, *, token: str, sessions: Sequence[int], sites: Sequence[str], as_json: bool) -> None:
    """Print how things stand, then a line for each event, until Ctrl-C. Raises `CommandError`."""

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
            pause = Pause()
            async with api.feed(on_pause=pause.begin, on_return=pause.end) as feed:
                # First subscribed, then read: what happens in between is heard, and nothing is missed.
                await feed.subscribe(sessions=watched, sites=sites)
                await _print_present(api, watched, sites, as_json=as_json)
                note("listening; Ctrl-C ends it")
                await _print_events(feed, as_json=as_json)

    try:
        asyncio.run(listen())
    except FeedRefusedError as error:
        raise CommandError(str(error)) from error
    except DatalabApiError as error:
        raise api_error(error) from error


async def _print_present(api: Datalab, sessions: Sequence[int], sites: Sequence[str], *, as_json: bool) -> None:
    """Print each operation as it stands, and the latest files of each site."""
    for session in sessions:
        for operation in await api.operations(session):
            _print_state(session, operation, as_json=as_json)
    for site in sites:
        await _print_latest(api, site, as_json=as_json)


async def _print_events(feed: FeedClient, *, as_json: bool) -> None:
    gaps = 0
    async for heard in feed:
        if len(feed.missed) > gaps:
            gaps = len(feed.missed)
            note("events were missed that are no longer stored: look with `sessions show` and `frames list`")
        event = heard.event
        text = event.model_dump_json() if as_json else f"{_clock(event.occurred_at)}  {_line(event)}"
        typer.echo(printable(text))


async def _print_latest(api: Datalab, site: str, *, as_json: bool) -> None:
    """Print the latest files of a site that the archive tells of."""
    uploads = await api.decoded("GET", "recentuploads", params={"site": site})
    for upload in uploads[-_LATEST:]:
        moment = datetime.fromtimestamp(upload["upload_timestamp_s"], UTC)
        why = f"  {upload['reason']}" if upload.get("reason") else ""
        line = f"{_clock(moment)}  {upload['filename']}  {upload['size_bytes']} bytes{why}"
        typer.echo(json.dumps(upload) if as_json else printable(line))
    if not uploads:
        note(printable(f"nothing came from {site} in the last two days that you may see"))


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
        case SessionAccessChanged() | SessionDeleted():
            fate = "deleted" if isinstance(event, SessionDeleted) else "shared otherwise than before"
            return f"session {event.session_id}: {fate}"
        case FrameChanged() | FrameDeleted() | InfoImageChanged():
            return f"{_called(event)}: {_fate(event)}"
        case _:
            return _site_line(event)


def _site_line(
    event: FileRefused | SiteLogAdded | SitePhaseChanged | SiteConfigured | NightLogChanged | ItemEnqueued | JobChanged,
) -> str:
    match event:
        case FileRefused():
            return f"refused {event.key}: {event.reason}"
        case SiteLogAdded() | SitePhaseChanged():
            return f"{event.site} says: {event.message}"
        case SiteConfigured():
            return f"configuration of {event.site}: {'forgotten' if event.removed else f'version {event.version}'}"
        case NightLogChanged():
            return f"night log of {event.site}: {'no note' if event.removed else 'a new note'}"
        case ItemEnqueued():
            return f"queue {event.site}: item {event.item_id} of {event.sender}"
        case JobChanged():
            return f"job {event.job['action']} of {event.job['user_name']}: {event.job['statusId']}"


def _called(event: FrameChanged | FrameDeleted | InfoImageChanged) -> str:
    if isinstance(event, InfoImageChanged):
        return f"info image {event.basename} on channel {event.channel}"
    return f"frame {event.basename}"


def _fate(event: FrameChanged | FrameDeleted | InfoImageChanged) -> str:
    if isinstance(event, FrameDeleted):
        return "deleted" if event.cause is RemovalCause.REQUESTED else "expired"
    roles = ", ".join(event.roles)
    if isinstance(event, InfoImageChanged):
        return roles
    exposure = None if event.exposure_time_s is None else f"{event.exposure_time_s:g} s"
    described = ", ".join(text for text in (event.target_name, event.filter_name, exposure) if text)
    return f"{roles} ({described})" if described else roles
