"""A whole Datalab with the nights of the tour in its archive, and the users who go on the tour."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

from datalab.client.rest import ENDED, Datalab
from datalab.events.feed import FrameChanged, OperationChanged
from datalab.events.frames import FileStored
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import System, running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.simulation.observatory import play
from support.gaia_server import GaiaServer, running_gaia
from support.tour_oddities import ODD_FRAMES
from support.tour_sky import NIGHTS, OBSERVATORY, Archive, gaia_rows, night_files
from support.waiting import PATIENCE_S


def strict(reply):
    """Return the JSON of a reply, which must not hold NaN or infinity, and must say how long it is."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    assert int(reply.headers["Content-Length"]) == reply.num_bytes_downloaded > 0
    return json.loads(reply.content, parse_constant=refuse)


@dataclass
class Client:
    """What a user does, with answers looked at strictly."""

    api: Datalab

    @property
    def http(self):
        return self.api.http

    async def get(self, path):
        reply = await self.http.get(path)
        assert reply.status_code == 200, reply.text
        return strict(reply)

    async def post(self, path, body, *, status):
        """Post a body, JSON or bytes as they are; return the answer, which must have that status."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = await self.http.post(path, content=content, headers={"Content-Type": "application/json"})
        assert reply.status_code == status, f"{path}: {reply.status_code} {reply.text}"
        return strict(reply)

    async def new_session(self, name, items):
        session = await self.post("datasessions/", {"name": name, "input_data": items}, status=201)
        return session["id"]

    async def start(self, session, name, inputs):
        """Post an operation; return its number."""
        path = f"datasessions/{session}/operations/"
        return (await self.post(path, {"name": name, "input_data": inputs}, status=201))["id"]

    async def refused(self, session, name, inputs):
        """Post an operation that cannot be; return what the user reads."""
        path = f"datasessions/{session}/operations/"
        return (await self.post(path, {"name": name, "input_data": inputs}, status=400))["error"]

    async def operation(self, session, number):
        return await self.get(f"datasessions/{session}/operations/{number}/")

    async def ended(self, session, number):
        """Wait for an operation, and return it."""

        async with asyncio.timeout(PATIENCE_S):
            await self.api.ended(session, number)
        return await self.operation(session, number)

    async def made(self, session, name, inputs):
        """Run an operation; return it, completed."""
        operation = await self.ended(session, await self.start(session, name, inputs))
        assert operation["status"] == "COMPLETED", operation["message"]
        return operation

    @asynccontextmanager
    async def waiting_for_all(self, sessions):
        """Yield a list for the operations started in the block; leave it when the feed has shown the end of all."""
        started = []
        async with self.api.feed() as feed:
            await feed.subscribe(sessions=sessions)
            yield started
            running = set(started)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while running:
                        event = (await anext(feed)).event
                        if isinstance(event, OperationChanged) and event.status in ENDED:
                            running.discard(event.operation_id)
            except TimeoutError:
                raise AssertionError(f"after {PATIENCE_S} s these have not ended: {sorted(running)}") from None

    async def analyse(self, action, **body):
        return await self.post(f"analysis/{action}/", body, status=200)

    async def download(self, link):
        """Return what a signed link leads to; the link alone must be enough."""
        return await self.api.download(link)


@dataclass
class Tour:
    """A running system and what was sent to it; `gaia` is the archive it asks for stars.

    Alice may read the frames of the simulated proposal, Bob only what is public.
    """

    system: System
    archive: Archive
    gaia: GaiaServer
    alice: Client
    bob: Client


@asynccontextmanager
async def running_tour(folder):
    """Yield a `Tour`: servers and services of its own, one runner, every frame visible."""
    with running_gaia(gaia_rows()) as gaia:
        environ = {"DATALAB_GAIA_TAP_URL": gaia.url}
        async with (
            running_system(folder, runners=1, reach=Reach(api_port=free_port()), environ=environ) as system,
            _user(system, "alice", [OBSERVATORY.proposal]) as alice,
            _user(system, "bob", []) as bob,
        ):
            tour = Tour(system, Archive(), gaia, alice, bob)
            async with asyncio.timeout(PATIENCE_S):
                await _bring_in(tour)
            yield tour


@asynccontextmanager
async def _user(system, name, proposals):
    async with Datalab(system.api_url, system.admin_token) as admin:
        token = await admin.add_user(name, proposals=proposals)
    async with admin.as_user(token) as api:
        yield Client(api)


class _Observatory:
    """Uploads and announces as an observatory does."""

    def __init__(self, store, bus):
        self._store = store
        self._bus = bus

    async def upload(self, key, content):
        await self._store.put_bytes(key, content, content_type="application/octet-stream")

    async def announce(self, site, object_key, size_bytes, sha256):
        await self._bus.publish(
            FileStored(site=site, key=object_key, size_bytes=size_bytes, sha256=sha256, producer="observatory")
        )


async def _bring_in(tour):
    """Send all there is through object store and bus; return when the feed has shown every frame with its FITS file."""
    bus = Bus(settings=tour.system.nats_settings, service="observatory", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        async with ObjectStore(tour.system.s3_settings) as store, tour.alice.api.feed() as feed:
            await feed.subscribe(sites=[OBSERVATORY.site.code])
            link = _Observatory(store, bus)
            for group in NIGHTS:
                await play(_noted(tour.archive, group), uploader=link, announcer=link)
            for odd in ODD_FRAMES:
                await link.upload(odd.key, odd.content())
                await link.announce(OBSERVATORY.site.code, odd.key, len(odd.content()), odd.sha256)
            waited_for = {frame.basename for frame in (*tour.archive.frames, *ODD_FRAMES)}
            async for heard in feed:
                if isinstance(heard.event, FrameChanged) and any(role.startswith("fits") for role in heard.event.roles):
                    waited_for.discard(heard.event.basename)
                if not waited_for:
                    break
    finally:
        await bus.close()


def _noted(archive, group):
    for night_file in night_files(group):
        archive.sent(group, night_file)
        yield night_file
