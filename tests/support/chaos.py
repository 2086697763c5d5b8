"""Operations under way while servers fail: frames, a careful client, and a system whose servers can be had fail."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from astropy.io import fits

from datalab.client.feed import FeedClient
from datalab.errors import TransientError
from datalab.events.feed import FrameChanged, OperationChanged
from datalab.events.frames import FileStored
from datalab.local.data_folder import DataFolder
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.servers import MongoServer, NatsServer, S3Server
from datalab.local.supervisor import Supervisor
from datalab.local.system import running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support.outages import Proxy
from support.small_disk import OnSmallDisk, small_disk, small_disks_possible
from support.waiting import PATIENCE_S

SITE = "sim"
SIDE = 64


def pixels_of(number):
    return np.random.default_rng(number).integers(900, 1100, (SIDE, SIDE)).astype(np.uint16)


def basename(number):
    return f"{SIDE_NAME}-{number:08d}"


SIDE_NAME = f"{SITE}-chaos-20260314"


def frame(number):
    header = fits.Header({"DATE-OBS": "2026-03-14T01:02:03.000", "EXPTIME": 10.0, "FILTER": "rp", "OBSTYPE": "EXPOSE"})
    header["L1PUBDAT"] = "2026-03-14"  # everybody's from then on
    buffer = BytesIO()
    image = fits.CompImageHDU(pixels_of(number), header=header, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(buffer)
    return f"data/{basename(number)}-EX00.fits.fz", buffer.getvalue()


async def insist(call):
    """Repeat a call until the world lets it through, as a careful client does."""
    while True:
        try:
            reply = await call()
        except (httpx.TransportError, TransientError):
            await asyncio.sleep(0.1)
            continue
        if isinstance(reply, httpx.Response):
            if reply.status_code in (502, 503, 504):
                await asyncio.sleep(0.1)
                continue
            reply.raise_for_status()
        return reply


class Observer:
    """A client of the feed that goes away and comes back with its sequence; keeps what it heard of each operation."""

    def __init__(self):
        self.terminal = {}
        self.last_words = {}
        self.event_ids = Counter()
        self.sequences = []
        self.frames = set()
        self._changed = asyncio.Condition()

    async def listen(self, feed):
        async for heard in feed:
            async with self._changed:
                self.sequences.append(heard.sequence)
                self.event_ids[heard.event.event_id] += 1
                if isinstance(heard.event, OperationChanged):
                    self.last_words[heard.event.operation_id] = heard.event.status
                match heard.event:
                    case OperationChanged(status="COMPLETED" | "FAILED" | "CANCELLED"):
                        self.terminal.setdefault(heard.event.operation_id, []).append(heard.event.status)
                    case FrameChanged():
                        self.frames.add(heard.event.basename)
                self._changed.notify_all()

    async def until(self, condition):
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self))


#: A runner that loads little is back sooner after it was killed.
FEW_OPERATIONS = {
    "DATALAB_OPERATION_PACKAGES": '["operation_runner.operations.median"]',
    "DATALAB_ANALYSIS_PACKAGES": '["operation_runner.analysis.wcs"]',
}


async def bring_in(numbers, *, store, bus):
    for number in numbers:
        key, content = frame(number)
        await insist(lambda key=key, content=content: store.put_bytes(key, content, content_type="application/fits"))
        announcement = FileStored(site=SITE, key=key, size_bytes=len(content))
        await insist(lambda event=announcement: bus.publish(event))


#: Bytes of the disk of each server; mongod sets 100 MB aside for its journal.
DISKS = {"nats": 64 * 2**20, "mongo": 400 * 2**20, "s3": 96 * 2**20}


@dataclass
class Lab:
    """A whole system whose servers lie behind proxies, on small disks where the kernel allows that."""

    system: object
    servers: Supervisor
    proxies: dict
    disks: dict

    def outages(self):
        """Return the ways to have a server fail, by name: functions that return an asynchronous context manager."""
        kinds = {}
        for server, proxy in self.proxies.items():
            modes = ("away", "slow", "resetting", *(("skewed", "failing") if server == "s3" else ()))
            kinds |= {f"{server} {mode}": (lambda proxy=proxy, mode=mode: proxy.being(mode)) for mode in modes}
            kinds[f"{server} paused"] = lambda server=server: self._paused(server)
            kinds[f"{server} killed"] = lambda server=server: self._down(server)
            if server in self.disks:
                kinds[f"{server} full"] = lambda server=server: self._full(server)
        return kinds

    @contextlib.asynccontextmanager
    async def _paused(self, server):
        pid = self.servers.status(server).pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def _down(self, server):
        await self.servers.take_down(server, signal.SIGKILL)
        try:
            yield
        finally:
            await self.servers.bring_up(server)

    @contextlib.asynccontextmanager
    async def _full(self, server):
        self.disks[server].fill()
        try:
            yield
        finally:
            self.disks[server].make_room()


@contextlib.asynccontextmanager
async def running_lab(root, *, runners=2, disks_bytes=DISKS):
    """Start servers, proxies and the system that knows the proxies only."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(DataFolder(root / "servers"))
        units = {"nats": NatsServer(folder), "mongo": MongoServer(folder), "s3": S3Server(folder)}
        disks = {}
        if small_disks_possible():
            for name, size_bytes in disks_bytes.items():
                disks[name] = stack.enter_context(small_disk(getattr(folder, name), size_bytes=size_bytes))
                units[name] = OnSmallDisk(units[name], disks[name])
        servers = await stack.enter_async_context(Supervisor(folder=folder))
        await servers.start(*units.values())
        proxies, environ = {}, dict(FEW_OPERATIONS)
        for name, unit in units.items():
            variables = unit.environment()
            variable = f"DATALAB_{name.upper()}_URL"
            port = urlsplit(variables[variable]).port
            proxies[name] = proxy = Proxy(port)
            await proxy.start()
            stack.push_async_callback(proxy.stop)
            environ |= variables | {variable: variables[variable].replace(f":{port}", f":{proxy.port}")}
        reach = Reach(api_port=free_port())
        system = await stack.enter_async_context(
            running_system(root / "lab", runners=runners, reach=reach, environ=environ)
        )
        yield Lab(system=system, servers=servers, proxies=proxies, disks=disks)


@dataclass
class Visit:
    """A user with a session, who asks for operations, hears the feed, and looks at the end."""

    api: httpx.AsyncClient
    session: int
    observer: Observer
    store: ObjectStore
    bus: Bus
    asked: dict = field(default_factory=dict)

    async def ask(self, pair):
        """Request the Median of a pair of frames, once; a repeated request carries the same idempotency key."""
        files = [{"source": "archive", "basename": basename(number)} for number in pair]
        body = {"name": "Median", "input_data": {"input_files": files}}
        headers = {"Idempotency-Key": "chaos-{}-{}".format(*pair)}
        path = f"datasessions/{self.session}/operations/"
        reply = await insist(lambda: self.api.post(path, json=body, headers=headers))
        self.asked[reply.json()["id"]] = pair

    async def listed(self):
        """Return all operations as REST shows them, page by page."""
        listed, page = [], f"datasessions/{self.session}/operations/?limit=1000"
        while page:
            reply = (await insist(partial(self.api.get, page))).json()
            listed += reply["results"]
            page = reply["next"]
        return listed


@contextlib.asynccontextmanager
async def visiting(system, frames):
    """Bring frames in, and give the block a user who may work on them."""
    async with (
        ObjectStore(system.s3_settings) as store,
        httpx.AsyncClient(base_url=f"{system.api_url}/api/", timeout=10.0) as api,
    ):
        bus = Bus(settings=system.nats_settings, service="chaos", metrics=BusMetrics(create_registry()))
        await bus.connect()
        api.headers["Authorization"] = f"Token {system.admin_token}"
        user = (await api.post("users/", json={"username": "chaos"})).raise_for_status().json()
        api.headers["Authorization"] = f"Token {user['token']}"
        session = (await api.post("datasessions/", json={"name": "chaos"})).raise_for_status().json()["id"]
        observer = Observer()
        async with FeedClient(f"{system.api_url.replace('http', 'ws', 1)}/api/feed", token=user["token"]) as feed:
            await feed.subscribe(sessions=[session], sites=[SITE])
            listening = asyncio.create_task(observer.listen(feed))
            try:
                await bring_in(range(frames), store=store, bus=bus)
                await observer.until(lambda seen: len(seen.frames) == frames)
                yield Visit(api=api, session=session, observer=observer, store=store, bus=bus)
            finally:
                listening.cancel()
                await asyncio.wait([listening])
                await bus.close()


async def outlast(lab, visit, outage, *, pairs, lasts_s):
    """Ask for operations before and while an outage lasts: after it, all of them end right."""
    fails = lab.outages().get(outage)
    if fails is None:
        pytest.skip("no small disks on this machine")
    earlier = set(visit.asked)
    asking = [asyncio.create_task(visit.ask(next(pairs))) for _ in range(3)]
    async with fails():
        asking += [asyncio.create_task(visit.ask(next(pairs))) for _ in range(3)]
        await asyncio.sleep(lasts_s)  # the outage itself
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*asking)
        asked = set(visit.asked) - earlier
        await visit.observer.until(lambda seen: asked <= set(seen.terminal))
        listed = {each["id"]: each for each in await visit.listed()}
    assert len(asked) == 6
    assert {visit.observer.terminal[number][0] for number in asked} == {"COMPLETED"}, [
        listed[number] for number in asked
    ]
    assert {len(visit.observer.terminal[number]) for number in asked} == {1}
    assert {visit.observer.last_words[number] for number in asked} == {"COMPLETED"}
    assert {listed[number]["status"] for number in asked} == {"COMPLETED"}
