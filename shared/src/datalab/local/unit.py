"""What the supervisor can run: anything that says how to start it and whether it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import httpx

#: Longest silence of a ready HTTP server on the loopback interface, in seconds.
PROBE_TIMEOUT_S = 2.0


class StopRank(IntEnum):
    """Who stops first: services finish their work on living servers, the bus outlives everybody."""

    SERVICE = 0
    DOCUMENTS = 1
    OBJECTS = 2
    BUS = 3


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a program: its arguments (program first) and its complete environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)


class Unit(Protocol):
    """A program the supervisor starts, watches and stops."""

    @property
    def name(self) -> str: ...

    @property
    def stop_rank(self) -> StopRank: ...

    @property
    def address(self) -> str:
        """Where it listens, for people; never with credentials."""
        ...

    async def launch(self) -> Launch:
        """Prepare files for one start (the program is not running) and say how to do it."""
        ...

    async def why_not_ready(self) -> str | None:
        """Return None once it can do its work, else what is missing."""
        ...

    async def why_broken(self) -> str | None:
        """Return what only a restart mends in a unit that was ready; None if there is nothing of the kind."""
        ...

    def change_ports(self) -> bool:
        """Choose other ports; False if they are not this unit's to choose."""
        ...


async def http_complaint(url: str) -> str | None:
    """Return None if a GET of `url` is answered with 200, else what went wrong."""
    try:
        response = await _answer(url)
    except httpx.HTTPError as error:
        return f"{url}: {error or type(error).__name__}"
    if response.status_code == httpx.codes.OK:
        return None
    return f"{url} answers {response.status_code}: {response.text[:200]}"


async def unavailable(url: str) -> str | None:
    """Return what a server says that answers, and says it cannot work; silence is no such answer."""
    try:
        response = await _answer(url)
    except httpx.HTTPError:
        return None
    return response.text[:200] if response.status_code == httpx.codes.SERVICE_UNAVAILABLE else None


async def _answer(url: str) -> httpx.Response:
    # A proxy from the environment must not see loopback traffic. Nothing is encrypted: reading the certificates, for
    # each look at each child, took a third of this program's time at a start.
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=PROBE_TIMEOUT_S) as client:  # noqa: S501
        return await client.get(url)
