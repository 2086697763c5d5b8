"""The work of `datalab observatory simulate`."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from datalab.cli.connection import CommandError, asked, demand_servers, open_access
from datalab.cli.exit_codes import ExitCode
from datalab.cli.fates import Fate, Told, end_with
from datalab.cli.output import note
from datalab.cli.work.announcing import BusSender
from datalab.cli.work.bus import connected_bus, server_error
from datalab.cli.work.send import FileSender, Sending, demanding_permission, site_sender
from datalab.cli.work.settings import command_settings
from datalab.client.patience import LONG_S
from datalab.client.rest import Datalab
from datalab.client.sending import FileRefusedError, SiteSender
from datalab.errors import DatalabError, UsageError
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import S3Settings
from datalab.platform.tasks import end_tasks
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory, play
from datalab.simulation.passbands import PASSBANDS
from datalab.simulation.site import Site

_SITE_IN_NAMES: Final = re.compile(r"[A-Za-z0-9_]{3,6}", re.ASCII)
_PICTURE: Final = "-EX10.jpg"
_CHANNELS: Final = 3

Show = Callable[[Told], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What is played: see the options of the command."""

    site: str
    evening: date
    exposures: int
    filters: tuple[str, ...]
    exposure_s: float
    stack: int
    calibrations: int
    info_every: int
    first_number: int
    pixels: int
    proposal: str
    seed: int
    speed: float


class Road(Protocol):
    """A way into the archive."""

    async def send(self, path: Path, *, channel: int | None) -> Awaitable[Told]:
        """Have a file stored, as an info image if there is a channel; return what will be told of it."""


def play_night(night: Night, *, over_nats: bool, timeout_s: float, show: Show) -> None:
    """Play a night; raise `CommandError` unless every file is taken in."""
    _demand_playable(night, over_nats=over_nats)
    note(f"a night of {night.exposures} exposures at {night.site}, for proposal {night.proposal}")
    if over_nats:
        told = _over_nats(night, timeout_s=timeout_s, show=show)
    else:
        told = _over_http(night, timeout_s=timeout_s, show=show)
    end_with(told)


def _over_http(night: Night, *, timeout_s: float, show: Show) -> list[Told]:
    with demanding_permission():
        return asked(lambda api: played_over_http(api, night, timeout_s=timeout_s, show=show), *open_access())


async def played_over_http(api: Datalab, night: Night, *, timeout_s: float, show: Show) -> list[Told]:
    """Play a night, and return what was told of each file."""
    async with site_sender(api, night.site, patience_s=LONG_S) as sender:
        return await _Telescope(_HttpRoad(sender, site=night.site, timeout_s=timeout_s), night, show).play()


def _over_nats(night: Night, *, timeout_s: float, show: Show) -> list[Told]:
    demand_servers("DATALAB_NATS_URL", "DATALAB_S3_URL")

    async def play() -> list[Told]:
        async with ObjectStore(command_settings(S3Settings)) as store, connected_bus() as bus:
            sender = BusSender(store=store, bus=bus, site=night.site, timeout_s=timeout_s)
            await sender.start()
            return await _Telescope(_BusRoad(sender), night, show).play()

    try:
        return asyncio.run(play())
    except DatalabError as error:
        raise server_error(error) from error


def _demand_playable(night: Night, *, over_nats: bool) -> None:
    if not _SITE_IN_NAMES.fullmatch(night.site):
        raise CommandError(f"{night.site!r} cannot stand in names of files: 3 to 6 letters and digits", ExitCode.USAGE)
    unknown = [name for name in night.filters if name not in PASSBANDS]
    if unknown:
        raise CommandError(f"there is no filter {unknown[0]!r}, but {', '.join(PASSBANDS)}", ExitCode.USAGE)
    if over_nats and night.info_every:
        raise CommandError("which channel an info image is for can be said over HTTP only", ExitCode.USAGE)


class _Telescope:
    """Sends what a night makes over a road, and gathers what is told of it."""

    def __init__(self, road: Road, night: Night, show: Show) -> None:
        self._road = road
        self._night = night
        self._show = show
        self._awaited: list[asyncio.Task[None]] = []
        self._told: list[Told] = []
        self._pictures = 0

    async def play(self) -> list[Told]:
        observatory = SimulatedObservatory(
            site=Site(code=self._night.site),
            camera=Camera(rows=self._night.pixels, columns=self._night.pixels),
            seed=self._night.seed,
            proposal=self._night.proposal,
        )
        cadence_s = self._night.exposure_s + observatory.camera.readout_s
        files = observatory.night(
            NightPlan(
                evening=self._night.evening,
                n_exposures=self._night.exposures,
                filters=self._night.filters,
                exposure_s=self._night.exposure_s,
                n_calibrations=self._night.calibrations,
                smart_stack_length=self._night.stack,
                first_counter=self._night.first_number,
            )
        )
        interval_s = cadence_s / self._night.speed if self._night.speed else 0.0
        try:
            await play(files, uploader=self, announcer=self, interval_s=interval_s)
            await asyncio.gather(*self._awaited)
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            if self._awaited:
                await end_tasks(*self._awaited)
        return self._told

    async def upload(self, key: str, content: bytes) -> None:
        name = key.rpartition("/")[2]
        await self._send(name, content, channel=None)
        if self._night.info_every and name.endswith(_PICTURE):
            count, rest = divmod(self._pictures, self._night.info_every)
            self._pictures += 1
            if rest == 0:
                await self._send(name, content, channel=1 + count % _CHANNELS)

    async def announce(self, site: str, object_key: str, size_bytes: int, sha256: str) -> None:
        """The road has done it."""

    async def _send(self, name: str, content: bytes, *, channel: int | None) -> None:
        with _on_disk(name, content) as path:
            told = await self._road.send(path, channel=channel)
        self._awaited.append(asyncio.create_task(self._hear(told)))

    async def _hear(self, told: Awaitable[Told]) -> None:
        self._told.append(await told)
        self._show(self._told[-1])


class _HttpRoad:
    def __init__(self, sender: SiteSender, *, site: str, timeout_s: float) -> None:
        self._sender = sender
        self._site = site
        self._timeout_s = timeout_s

    async def send(self, path: Path, *, channel: int | None) -> Awaitable[Told]:
        files = FileSender(
            self._sender,
            Sending(
                site=self._site,
                folder="data" if channel is None else "info-images",
                channel=channel,
                timeout_s=self._timeout_s,
            ),
        )
        name = Path(path.name)
        try:
            monitor = await files.send(path, await files.sha256_of(path))
        except FileRefusedError as error:
            return _at_once(Told(file=str(name), verdict=Fate.REFUSED, reason=str(error)))

        async def told() -> Told:
            return files.told(name, await files.fate(monitor))

        return told()


class _BusRoad:
    def __init__(self, sender: BusSender) -> None:
        self._sender = sender

    async def send(self, path: Path, *, channel: int | None) -> Awaitable[Told]:
        del channel
        name = Path(path.name)
        try:
            announcement = await self._sender.send(path)
        except UsageError as error:
            return _at_once(Told(file=str(name), verdict=Fate.REFUSED, reason=error.message))
        return self._sender.told(name, announcement)


async def _at_once(told: Told) -> Told:
    return told


@contextmanager
def _on_disk(name: str, content: bytes) -> Iterator[Path]:
    """Give the block the content as a file of this name."""
    with tempfile.TemporaryDirectory(prefix="datalab-night-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
