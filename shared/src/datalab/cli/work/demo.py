"""The demonstration: from new images to a finished median, through the same doors everybody uses.

It may be repeated: frames the archive knows count as there, the user and the sessions are the same each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from datalab.cli.work.archive import KnownFrames
from datalab.cli.work.demonstration import DEMO_USER, Arrival, DemoFailedError, Figures, Result
from datalab.cli.work.shipments import (
    Sent,
    Shipment,
    difference_from_numpy,
    expect,
    from_folder,
    groups_of,
    simulated_night,
    simulated_proposal,
    simulated_site,
    simulated_variable,
)
from datalab.client.feed import FeedClient
from datalab.client.rest import ApiRefusedError, Datalab, DatalabApiError
from datalab.documents.frame import FrameDocument
from datalab.errors import DatalabError
from datalab.events.feed import FileRefused, FrameChanged, OperationChanged
from datalab.events.frames import FileStored
from datalab.local.system import System
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.platform.tasks import end_tasks

#: A frame is there after a fraction of a second; a file of which nothing is heard for this long is given up.
_SILENCE_S: Final = 30.0
#: The median of a dozen frames takes seconds; whatever takes longer than this is broken.
_PATIENCE_S: Final = 120.0
#: Enough to show it, and little enough to check it in memory.
_MOST_FRAMES: Final = 50
_CONFLICT: Final = 400  # a user of that name exists
_UNKNOWN: Final = 404


class Demo:
    """One demonstration on a running system. `say` gets each line for the person watching."""

    def __init__(self, system: System, *, say: Callable[[str], None]) -> None:
        self._system = system
        self._say = say
        self._figures = Figures()

    async def run(self, data: Path | None) -> Figures:
        """Play a simulated night, or send the FITS files of a folder; then Median on the frames that belong together.

        Of the simulated night there is the light curve of its variable star, too. Raises `DemoFailedError`.
        """
        shipment = from_folder(data) if data else simulated_night()
        for name, reason in shipment.skipped.items():
            self._say(f"skipped {name}: {reason}")
        try:
            async with Datalab(self._system.api_url, self._system.admin_token) as admin:
                if data is None:
                    await self._introduce_site(admin)
                frames = await self._bring_in(shipment, admin)
                if self._figures.known:
                    self._say(f"{len(self._figures.known)} frames were in the archive before")
                async with self._user(admin, frames.values(), sees_all=data is not None) as api:
                    await self._compute(self._with_pixels(shipment, frames), api, variable=data is None)
        except (DatalabApiError, DatalabError) as error:
            raise DemoFailedError(str(error)) from error
        return self._figures

    async def _introduce_site(self, admin: Datalab) -> None:
        """Say where the simulated site is, unless somebody has: its times are shown with its clocks."""
        site, configuration = simulated_site()
        try:
            await admin.site_configuration(site)
        except ApiRefusedError as error:
            if error.status != _UNKNOWN:
                raise
            await admin.put_site_configuration(site, configuration)

    async def _bring_in(self, shipment: Shipment, admin: Datalab) -> dict[str, FrameDocument]:
        """Upload and announce every file; return the frames when each file is in the archive, or has been refused."""
        self._say(f"bringing in frames from {', '.join(sorted(shipment.sites))}")
        bus = Bus(settings=self._system.nats_settings, service="observatory", metrics=BusMetrics(create_registry()))
        await bus.connect()
        try:
            async with (
                ObjectStore(self._system.s3_settings) as store,
                KnownFrames(self._system.mongo_settings) as known,
                admin.feed() as feed,  # a superuser's: refusals are for nobody else
            ):
                await feed.subscribe(sites=sorted(shipment.sites))
                observatory = _Observatory(store=store, bus=bus, known=known)
                sending = asyncio.create_task(shipment.send(observatory))
                await self._see(feed, observatory, sending, shipment.files)
                self._figures.known |= {shipment.files[key].basename for key in observatory.known & set(shipment.files)}
                return await known.find({file.basename for file in shipment.files.values()})
        finally:
            await bus.close()

    async def _see(
        self, feed: FeedClient, observatory: _Observatory, sending: asyncio.Task[None], files: Mapping[str, Sent]
    ) -> None:
        """Watch the feed until each file is settled, or nothing more is heard of it."""
        settled: set[str] = set()
        hearing = asyncio.ensure_future(anext(feed))
        try:
            while not sending.done() or set(files) - settled - observatory.known:
                waited_for = [hearing] if sending.done() else [hearing, sending]
                done, _ = await asyncio.wait(waited_for, timeout=_SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
                if hearing in done:
                    settled |= self._heard(hearing.result().event, observatory, files)
                    hearing = asyncio.ensure_future(anext(feed))
                if sending.done():
                    await sending  # what failed is said
                    if not done:
                        break
        finally:
            await end_tasks(hearing, sending)
        for key in sorted(set(files) - settled - observatory.known):
            self._refused(key, f"nothing was heard of it within {_SILENCE_S:.0f} s; the logs may say more")

    def _heard(self, event: object, observatory: _Observatory, files: Mapping[str, Sent]) -> set[str]:
        """Take note of an event; return the keys of the files that are settled by it."""
        match event:
            case FileRefused(key=key, reason=reason) if key in observatory.upload_began:
                self._refused(key, reason)
                return {key}
            case FrameChanged(basename=basename, roles=roles):
                mine = {key for key, file in files.items() if file.basename == basename and file.role in roles}
                mine &= set(observatory.upload_began)  # others may bring in the same frames, which settles nothing
                began = [observatory.upload_began[key] for key in mine]
                if began and basename not in {arrival.basename for arrival in self._figures.arrivals}:
                    self._figures.arrivals.append(Arrival(basename, time.monotonic() - min(began)))
                    self._say(f"frame {basename} visible after {self._figures.arrivals[-1].seconds:.3f} s")
                return mine
        return set()

    def _refused(self, key: str, reason: str) -> None:
        self._figures.refused[key] = reason
        self._say(f"refused {key}: {reason}")

    def _with_pixels(self, shipment: Shipment, frames: Mapping[str, FrameDocument]) -> list[Sent]:
        """Return the file each frame is computed with, of those that were sent."""
        science = {frame.science_file.key for frame in frames.values() if frame.science_file}
        return [file for key, file in shipment.files.items() if key in science and key not in self._figures.refused]

    @asynccontextmanager
    async def _user(
        self, admin: Datalab, frames: Collection[FrameDocument], *, sees_all: bool
    ) -> AsyncIterator[Datalab]:
        """Give the block the access of the demonstration's user, who may read what was brought in.

        Files somebody brings along may name no proposal and no day from which they are public: who `sees_all` may
        read those, too.
        """
        proposals = {simulated_proposal(), *(frame.proposal_id for frame in frames if frame.proposal_id)}
        try:
            token = await admin.add_user(DEMO_USER, proposals=sorted(proposals), superuser=sees_all)
        except ApiRefusedError as error:
            if error.status != _CONFLICT:
                raise
            await admin.change_user(DEMO_USER, proposals=sorted(proposals), superuser=sees_all)
            token = await admin.add_token(DEMO_USER)
        self._say(f"user {DEMO_USER}, token {token}")
        async with admin.as_user(token) as api:
            yield api

    async def _compute(self, frames: Sequence[Sent], api: Datalab, *, variable: bool) -> None:
        groups = await asyncio.to_thread(groups_of, frames)
        if not groups:
            raise DemoFailedError(
                "no two frames are of the same kind, filter and size, so there is nothing to take the median of"
            )
        for common, group in groups.items():
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    self._figures.results.append(await self._median(common, group[:_MOST_FRAMES], api))
                    if variable:
                        await self._light_curve(common, group, api)
            except TimeoutError:
                raise DemoFailedError(f"{common}: not finished after {_PATIENCE_S:.0f} s; the logs say more") from None

    async def _median(self, common: str, group: Sequence[Sent], api: Datalab) -> Result:
        """Run Median on frames in a session of their own, watching the feed, and check the result."""
        inputs = _inputs(group)
        session = await self._session(f"Demo: {common}", inputs, api)
        finished, elapsed_s = await self._done(session["id"], "Median", {"input_files": inputs}, api)
        (output,) = finished["output"]["output_files"]
        fits_file, *_ = [await api.download(output[link]) for link in ("fits_url", "large_url", "small_url")]
        contents = [frame.read() for frame in group]
        difference = await asyncio.to_thread(difference_from_numpy, fits_file, contents)
        return Result(finished["id"], tuple(frame.basename for frame in group), elapsed_s, difference)

    async def _light_curve(self, common: str, group: Sequence[Sent], api: Datalab) -> None:
        """Measure the variable star of the simulated night in each frame, in the same session."""
        ra, dec = await asyncio.to_thread(simulated_variable)
        inputs = _inputs(group)
        session = await self._session(f"Demo: {common}", inputs, api)
        asked = {"source": {"ra": ra, "dec": dec}, "input_files": inputs}
        finished, _ = await self._done(session["id"], "Light Curve", asked, api)
        (output,) = finished["output"]["output_data"]
        points = len(output["light_curve"])
        expect(points == len(group), f"the light curve has {points} points of {len(group)} frames")

    async def _done(
        self, session_id: int, name: str, asked: Mapping[str, Any], api: Datalab
    ) -> tuple[dict[str, Any], float]:
        """Run an operation, watching the feed; return it as it ended, and the seconds it took."""
        async with api.feed() as feed:
            await feed.subscribe(sessions=[session_id])
            began = time.monotonic()
            operation = await api.start(session_id, name, asked)
            frames = len(asked["input_files"])
            self._say(f"session {session_id}, operation {operation['id']}: {name} of {frames} frames")
            await self._watch(feed, operation["id"], name)
            elapsed_s = time.monotonic() - began
        return await api.operation(session_id, operation["id"]), elapsed_s

    async def _session(self, name: str, inputs: Sequence[dict[str, Any]], api: Datalab) -> dict[str, Any]:
        """Return the session of that name, which an earlier demonstration may have made."""
        found = (await api.call("GET", "datasessions/", params={"name_exact": name}))["results"]
        if not found:
            return await api.add_session(name, inputs)
        return await api.call("PATCH", f"datasessions/{found[0]['id']}/", json={"input_data": list(inputs)})

    async def _watch(self, feed: FeedClient, operation_id: int, name: str) -> None:
        async for heard in feed:
            event = heard.event
            if isinstance(event, OperationChanged) and event.operation_id == operation_id:
                self._say(f"  {event.status:<12}{event.operation_progress:5.0%}  {event.message}".rstrip())
                if event.status == "COMPLETED":
                    return
                expect(event.status in ("PENDING", "IN_PROGRESS"), f"{name} ended {event.status}: {event.message}")


def _inputs(group: Sequence[Sent]) -> list[dict[str, Any]]:
    return [{"source": "archive", "basename": frame.basename} for frame in group]


class _Observatory:
    """Uploads and announces as an observatory does, except what the archive has; notes when each file sets out."""

    def __init__(self, *, store: ObjectStore, bus: Bus, known: KnownFrames) -> None:
        self._store = store
        self._bus = bus
        self._archive = known
        self.known: set[str] = set()
        self.upload_began: dict[str, float] = {}

    async def upload(self, key: str, content: bytes) -> None:
        if await self._archive.has(key, content):
            self.known.add(key)
            return
        self.upload_began[key] = time.monotonic()
        await self._store.put_bytes(key, content, content_type="application/octet-stream")

    async def announce(self, site: str, object_key: str, size_bytes: int, sha256: str) -> None:
        if object_key in self.known:
            return
        await self._bus.publish(
            FileStored(site=site, key=object_key, size_bytes=size_bytes, sha256=sha256, producer="observatory")
        )
