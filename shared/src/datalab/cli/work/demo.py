"""The demonstration: from new images to a finished median, through the same doors everybody uses."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import hashlib
import json
import re
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from datalab.astro.headers.description import describe_header
from datalab.astro.pixels.geometry import common_shape
from datalab.client.feed import FeedClient
from datalab.client.rest import Datalab, DatalabApiError
from datalab.events.feed import FileRefused, FrameChanged, OperationChanged
from datalab.events.frames import FileStored
from datalab.events.object_keys import data_key
from datalab.fits.science import science_hdu
from datalab.local.system import System
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.simulation.observatory import NightFile, NightPlan, SimulatedObservatory, play

_SITE: Final = "demo"
_NIGHT_EXPOSURES: Final = 12
_PHOTON_RANCH_NAME: Final = re.compile(r"[^-]{3,6}-[^-]+-\d{8}-\d{8}-[A-Za-z]+\d\d")
_LAS_CUMBRES_NAME: Final = re.compile(r"([a-z]{3})\w+-\w+-\d{8}-\d{4}-[a-z]\d\d")
#: By the first bytes of a packed file; astropy unpacks only files on disk.
_UNPACKERS: Final = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress}
#: Relative distance of neighbouring float32 numbers.
_FLOAT32_STEP: Final = 2.0**-23
_FITS_SUFFIXES: Final = (".fits", ".fits.fz", ".fits.gz", ".fits.bz2")
#: The whole demonstration takes seconds; whatever takes longer than this is broken.
_PATIENCE_S: Final = 120.0


class DemoFailedError(Exception):
    """Something did not work; the text says what."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame, and the seconds from the start of its upload until the feed showed it."""

    basename: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """One finished Median, checked."""

    operation_id: int
    basenames: tuple[str, ...]
    elapsed_s: float
    output: dict[str, Any]
    largest_difference: float


@dataclass(slots=True)
class Figures:
    """What the demonstration measured."""

    arrivals: list[Arrival] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    @property
    def upload_to_visible_ms_p50(self) -> float:
        """Median time from the start of a frame's upload until the feed shows it, in ms."""
        return 1000 * statistics.median(arrival.seconds for arrival in self.arrivals)

    def as_json(self) -> str:
        """Return the figures as one line of JSON."""
        return json.dumps(
            {
                "frames": len(self.arrivals),
                "upload_to_visible_ms_p50": round(self.upload_to_visible_ms_p50, 1),
                "operation_s": round(max(result.elapsed_s for result in self.results), 3),
                "result": "ok",
                "operations": len(self.results),
                "largest_difference": max(result.largest_difference for result in self.results),
            }
        )


class Demo:
    """One demonstration on a running system. `say` gets each line for the person watching."""

    def __init__(self, system: System, *, say: Callable[[str], None]) -> None:
        self._system = system
        self._say = say
        self._figures = Figures()

    async def run(self, data: Path | None) -> Figures:
        """Play a simulated night, or send the FITS files of a folder; then Median on the frames that belong together.

        Raises `DemoFailedError`.
        """
        shipment = await asyncio.to_thread(_from_folder, data) if data else _simulated_night()
        async with self._user(sees_all=data is not None) as api:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    self._say(f"bringing in frames from {', '.join(sorted(shipment.sites))}")
                    await self._ingest(shipment, api)
                    for group in shipment.groups():
                        self._figures.results.append(await self._median(group, api))
            except DatalabApiError as error:
                raise DemoFailedError(str(error)) from error
            except TimeoutError:
                visible = f"{len(self._figures.arrivals)} of {shipment.expected} frames"
                raise DemoFailedError(
                    f"not finished after {_PATIENCE_S:.0f} s, with {visible} visible; the logs say more"
                ) from None
        if not self._figures.results:
            raise DemoFailedError("no two frames have the same role, so there is nothing to take the median of")
        return self._figures

    @asynccontextmanager
    async def _user(self, *, sees_all: bool) -> AsyncIterator[Datalab]:
        """Make a demo user who may read the simulated proposal, or everything; give the block their access.

        Files somebody brings along may name no proposal and no day from which they are public.
        """
        name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        async with Datalab(self._system.api_url, self._system.admin_token) as admin:
            token = await admin.add_user(name, proposals=[SimulatedObservatory().proposal], superuser=sees_all)
        self._say(f"user {name}, token {token}")
        async with admin.as_user(token) as api:
            yield api

    async def _ingest(self, shipment: Shipment, api: Datalab) -> None:
        """Upload and announce every file; return when every frame is visible on the feed."""
        bus = Bus(settings=self._system.nats_settings, service="observatory", metrics=BusMetrics(create_registry()))
        await bus.connect()
        try:
            async with ObjectStore(self._system.s3_settings) as store, api.feed() as feed:
                await feed.subscribe(sites=sorted(shipment.sites))
                observatory = _Observatory(store=store, bus=bus)
                sending = asyncio.create_task(shipment.send(observatory))
                watching = asyncio.create_task(self._see(feed, observatory, shipment.expected))
                # Whichever fails first ends the demonstration.
                for task in asyncio.as_completed([sending, watching]):
                    await task
        finally:
            await bus.close()

    async def _see(self, feed: FeedClient, observatory: _Observatory, expected: int) -> None:
        visible: set[str] = set()
        async for heard in feed:
            match heard.event:
                case FileRefused(key=key, reason=reason):
                    raise DemoFailedError(f"{key} was refused: {reason}")
                case FrameChanged(basename=basename, roles=roles) if _has_fits(roles) and basename not in visible:
                    visible.add(basename)
                    arrival = Arrival(basename, time.monotonic() - observatory.upload_began[basename])
                    self._figures.arrivals.append(arrival)
                    self._say(f"frame {basename} visible after {arrival.seconds:.3f} s")
            if len(visible) == expected:
                return

    async def _median(self, group: Mapping[str, bytes], api: Datalab) -> Result:
        """Run Median on frames in a session of their own, watching the feed, and check the result."""
        inputs = [{"source": "archive", "basename": basename} for basename in group]
        name = f"Demo {datetime.now(UTC):%H:%M:%S}"
        session = await api.add_session(name, inputs)
        async with api.feed() as feed:
            await feed.subscribe(sessions=[session["id"]])
            began = time.monotonic()
            operation = await api.start(session["id"], "Median", {"input_files": inputs})
            self._say(f"session {session['id']}, operation {operation['id']}: Median of {len(group)} frames")
            await self._watch(feed, operation["id"])
            elapsed_s = time.monotonic() - began
        finished = await api.operation(session["id"], operation["id"])
        (output,) = finished["output"]["output_files"]
        fits_file, *_ = [await api.download(output[link]) for link in ("fits_url", "large_url", "small_url")]
        difference = await asyncio.to_thread(_difference_from_numpy, fits_file, list(group.values()))
        return Result(operation["id"], tuple(group), elapsed_s, output, difference)

    async def _watch(self, feed: FeedClient, operation_id: int) -> None:
        async for heard in feed:
            event = heard.event
            if isinstance(event, OperationChanged) and event.operation_id == operation_id:
                self._say(f"  {event.status:<12}{event.operation_progress:5.0%}  {event.message}".rstrip())
                if event.status == "COMPLETED":
                    return
                _expect(event.status in ("PENDING", "IN_PROGRESS"), f"Median ended {event.status}: {event.message}")


@dataclass(frozen=True, slots=True)
class Shipment:
    """Files to bring in; `frames` gets the content of every FITS file by the name of its frame."""

    sites: frozenset[str]
    expected: int
    send: Callable[[_Observatory], Coroutine[None, None, None]]
    frames: dict[str, bytes]

    def groups(self) -> list[dict[str, bytes]]:
        """Return the frames that belong together, in groups of two or more."""
        by_role: dict[tuple[object, ...], dict[str, bytes]] = defaultdict(dict)
        for basename, content in self.frames.items():
            by_role[_role(basename, content)][basename] = content
        return [group for group in by_role.values() if len(group) > 1]


class _Observatory:
    """Uploads and announces as an observatory does, and notes when each frame's FITS file sets out."""

    def __init__(self, *, store: ObjectStore, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self.upload_began: dict[str, float] = {}

    async def upload(self, key: str, content: bytes) -> None:
        if key.endswith(_FITS_SUFFIXES):
            self.upload_began[_frame_name(key)] = time.monotonic()
        await self._store.put_bytes(key, content, content_type="application/octet-stream")

    async def announce(self, site: str, object_key: str, size_bytes: int, sha256: str) -> None:
        await self._bus.publish(
            FileStored(site=site, key=object_key, size_bytes=size_bytes, sha256=sha256, producer="observatory")
        )


def _simulated_night() -> Shipment:
    # Another counter, another frame: a second demonstration must bring new frames.
    plan = NightPlan(
        evening=datetime.now(UTC).date(), n_exposures=_NIGHT_EXPOSURES, first_counter=int(time.time()) % 10**8
    )
    observatory = SimulatedObservatory()
    frames: dict[str, bytes] = {}

    def remembered() -> Iterator[NightFile]:
        for file in observatory.night(plan):
            if file.kind == "fits":
                frames[file.base_name] = file.content
            yield file

    async def send(link: _Observatory) -> None:
        await play(remembered(), uploader=link, announcer=link)

    return Shipment(frozenset({observatory.site.code}), _NIGHT_EXPOSURES, send, frames)


def fits_files(folder: Path) -> list[Path]:
    """Return the FITS files of a folder. Raises `DemoFailedError` if there are none."""
    paths = sorted(path for path in folder.iterdir() if path.name.endswith(_FITS_SUFFIXES))
    if not paths:
        raise DemoFailedError(f"{folder} has no FITS files ({', '.join(_FITS_SUFFIXES)})")
    return paths


def _from_folder(folder: Path) -> Shipment:
    paths = fits_files(folder)
    frames = {_frame_name(path.name): path.read_bytes() for path in paths}

    async def send(link: _Observatory) -> None:
        for path, content in zip(paths, frames.values(), strict=True):
            key = data_key(path.name)
            await link.upload(key, content)
            await link.announce(_site_of(path.name), key, len(content), hashlib.sha256(content).hexdigest())

    return Shipment(frozenset(_site_of(path.name) for path in paths), len(frames), send, frames)


def _frame_name(key: str) -> str:
    """Return the name of the frame a FITS file belongs to, as the archive forms it."""
    stem = key.rpartition("/")[2].partition(".")[0]
    return re.sub(r"-[A-Za-z]+\d\d$", "", stem) if _PHOTON_RANCH_NAME.fullmatch(stem) else stem


def _site_of(name: str) -> str:
    """Return the site a file comes from: in its name, if that follows a naming rule."""
    stem = name.partition(".")[0]
    if _PHOTON_RANCH_NAME.fullmatch(stem):
        return stem.partition("-")[0]
    las_cumbres = _LAS_CUMBRES_NAME.fullmatch(stem)
    return las_cumbres[1] if las_cumbres else _SITE


def _role(basename: str, content: bytes) -> tuple[object, ...]:
    """Return what frames must share to be combined: kind of exposure, filter and size of the image.

    Where the header names no filter, the name without its running number stands for it.
    """
    header, pixels = _science(content)
    described = describe_header(header)
    return (described.configuration_type, described.filter_name or re.sub(r"[-_]?\d+$", "", basename), pixels.shape)


def _science(content: bytes) -> tuple[fits.Header, np.ndarray[Any, Any]]:
    for magic, unpack in _UNPACKERS.items():
        if content.startswith(magic):
            content = unpack(content)
    with fits.open(BytesIO(content)) as hdus:
        hdu = hdus[science_hdu([hdu.header for hdu in hdus])]
        return hdu.header.copy(), np.array(hdu.data)


def _difference_from_numpy(result: bytes, inputs: Sequence[bytes]) -> float:
    """Return the largest difference between a result and the median numpy computes, after checking what must hold."""
    _, computed = _science(result)
    images = [_science(content)[1] for content in inputs]
    rows, columns = common_shape([image.shape for image in images])
    expected = np.nanmedian([image[:rows, :columns] for image in images], axis=0).astype(computed.dtype)
    _expect(computed.shape == expected.shape, f"the result has shape {computed.shape}, expected {expected.shape}")
    _expect(bool(np.array_equal(np.isnan(computed), np.isnan(expected))), "other pixels are blank than expected")
    difference = float(np.nanmax(np.abs(computed.astype(np.float64) - expected)))
    _expect(difference <= _FLOAT32_STEP * float(np.nanmax(np.abs(expected))), f"the result is off by {difference}")
    return difference


def _has_fits(roles: Sequence[str]) -> bool:
    return any(role.startswith("fits") for role in roles)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoFailedError(otherwise)
