"""The work of `datalab populate-test-data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import typer

from datalab.cli.connection import ADMIN_TOKEN, CommandError, api_access, asked
from datalab.cli.exit_codes import ExitCode
from datalab.cli.fates import end_with
from datalab.cli.output import note
from datalab.cli.work.simulated_night import Night, played_over_http
from datalab.client.rest import ApiRefusedError, Datalab

#: What clients are tried with since the first Datalab.
USER: Final = "test_user"
PASSWORD: Final = "test_pass"  # noqa: S105 - everybody knows it
TOKEN: Final = "123456789abcdefg"  # noqa: S105 - likewise

#: The frames are the same each time: those that are there change nothing. Files of the site `tst` would expire.
_NIGHT: Final = Night(
    site="sim",
    evening=date(2026, 11, 20),
    exposures=4,
    filters=("rp",),
    exposure_s=60.0,
    stack=1,
    calibrations=0,
    info_every=0,
    first_number=1,
    pixels=256,
    proposal="SIM2026A-TEST",
    seed=1,
    speed=0.0,
)
#: Names of sessions, and the operations in them, each on that many frames.
_SESSIONS: Final[Mapping[str, Sequence[tuple[str, int]]]] = {
    "Test session 1": (("Median", 4), ("Normalization", 2)),
    "Test session 2": (("Stacking", 3),),
}
_TIMEOUT_S: Final = 120.0


def populate() -> None:
    """Make them. Raises `CommandError`."""
    url, token = api_access(ADMIN_TOKEN)
    _demand_here(url)
    asked(_populate, url, token, variable=ADMIN_TOKEN)
    typer.echo(f"user {USER}, password {PASSWORD}, token {TOKEN}")


def _demand_here(url: str) -> None:
    """Raise `CommandError` unless an address is of this machine, and of no other."""
    host = urlsplit(url).hostname or ""
    try:
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise CommandError(
            f"{host} is not this machine: the password of this user is known to everybody, so that it is made on a "
            "system of this machine only",
            ExitCode.NOT_ALLOWED,
        )


async def _populate(admin: Datalab) -> None:
    # First of all, what a system that others reach refuses.
    await _add_user(admin)
    told = await played_over_http(admin, _NIGHT, timeout_s=_TIMEOUT_S, show=lambda _: None)
    end_with(told)
    frames = sorted({each.frame or each.file.rpartition("-")[0] for each in told})
    async with admin.as_user(TOKEN) as api:
        there = {session["name"]: session for session in await api.sessions()}
        for name, operations in _SESSIONS.items():
            if name in there:
                note(f"{name} is there already")
            else:
                await _add_session(api, name, operations, frames)


async def _add_user(admin: Datalab) -> None:
    """Raises `CommandError` where such a user may not be, and leaves none behind."""
    proposals, is_new = [_NIGHT.proposal], True
    try:
        await admin.add_user(USER, proposals=proposals)
    except ApiRefusedError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        is_new = False
    try:
        await admin.add_token(USER, token=TOKEN)
    except ApiRefusedError as error:
        if error.status == HTTPStatus.FORBIDDEN and is_new:
            await admin.delete_user(USER)
        if error.status != HTTPStatus.BAD_REQUEST:  # there is this token already
            raise
    await admin.change_user(USER, proposals=proposals, active=True)
    await admin.set_password(USER, PASSWORD)


async def _add_session(api: Datalab, name: str, operations: Sequence[tuple[str, int]], frames: Sequence[str]) -> None:
    inputs: list[dict[str, Any]] = [{"source": "archive", "basename": frame} for frame in frames]
    session = (await api.add_session(name, inputs))["id"]
    started = [await api.start(session, each, {"input_files": inputs[:count]}) for each, count in operations]
    for operation in started:
        ended = await api.ended(session, operation["id"])
        note(f"{name}: {ended['name']} {ended['status']}")
