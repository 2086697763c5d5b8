"""A feed to test against: real hub, conversations, websocket server and bus; accounts and sessions in memory."""

import asyncio
import contextlib
import json
import socket
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from datalab.events.envelope import utc_now
from datalab.events.feed import FrameChanged, OperationChanged
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from session_api.accounts.authentication import Authenticator, token_hash
from session_api.accounts.model import Account, Grant
from session_api.feed import websocket
from session_api.feed.admission import FeedAdmission
from session_api.feed.datastream import Datastream
from session_api.feed.hub import FeedHub
from session_api.feed.live import LiveStatuses
from session_api.feed.metrics import FeedMetrics
from session_api.feed.server import WEBSOCKET_OPTIONS
from session_api.feed.settings import FeedSettings
from session_api.feed.stream import BusFeedStream
from session_api.operations.session_rights import Role
from support.servers import delete_streams
from support.waiting import PATIENCE_S, until

_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Accounts:
    """Implements the part of `UserRepository` that authentication needs."""

    def __init__(self):
        self._accounts = {}

    def add(self, username, *, superuser=False, proposals=(), active=True):
        """Add or replace a user; the token is `token-<username>`."""
        self._accounts[token_hash(f"token-{username}")] = Account(
            username=username, active=active, superuser=superuser, proposals=tuple(proposals), created=utc_now()
        )

    async def find_any_by_token_hash(self, digest, *, now):
        account = self._accounts.get(digest)
        return None if account is None else Grant(account)


class OwnedSessions:
    """Implements `SessionAccess.roles`: nothing is shared."""

    def __init__(self, owners):
        self.owners = dict(owners)

    async def roles(self, caller, ids, *, also_deleted=False):
        return {number: Role.OWNER for number in ids if self.owners.get(number) == caller.username}


#: Who owns which session.
OWNERS = {1: "ada", 2: "ada", 3: "bob"}


def three_accounts():
    """Return the accounts of a user with a proposal, one without, and a superuser."""
    accounts = Accounts()
    accounts.add("ada", proposals=["P1"])
    accounts.add("bob")
    accounts.add("root", superuser=True)
    return accounts


@contextlib.asynccontextmanager
async def feed_servers(nats_server, accounts):
    """Yield a function that starts a feed server with limits; the bus is empty before the first one."""
    await nats_server.ensure_up()
    await delete_streams(nats_server.settings)
    async with contextlib.AsyncExitStack() as stack:

        async def start(**limits):
            server = FeedServer(
                nats_settings=nats_server.settings, accounts=accounts, sessions=OwnedSessions(OWNERS), **limits
            )
            return await stack.enter_async_context(server.running())

        yield start


def operation_changed(number, *, session_id=1, owner="ada", **fields):
    """Return event `number` of a session; the number is its operation's id."""
    values = {"attempt": 1, "name": "Median", "status": "COMPLETED", "operation_progress": 1.0, "message": ""}
    return OperationChanged(session_id=session_id, owner=owner, operation_id=number, **(values | fields))


def frame_changed(number, *, site="tst", **fields):
    """Return the news of frame `number`, which everybody may see."""
    shown = {"public_date": _LONG_AGO, **fields}
    return FrameChanged(site=site, frame_id=number, basename=f"tst-{number}", roles=("fits",), **shown)


class FeedServer:
    """One process of the feed, as far as its clients can tell."""

    def __init__(self, *, nats_settings, accounts, sessions, **limits):
        self.registry = create_registry()
        self.bus = Bus(settings=nats_settings, service="feed-test", metrics=BusMetrics(self.registry))
        settings = FeedSettings(**limits)
        metrics = FeedMetrics(self.registry)
        self.hub = FeedHub(stream=BusFeedStream(self.bus), settings=settings, metrics=metrics)
        self.live = LiveStatuses(self.bus)
        self._admission = FeedAdmission(
            hub=self.hub,
            live=self.live,
            authenticator=Authenticator(users=accounts, admin_token=None, timeout_s=5),
            sessions=sessions,
            settings=settings,
            metrics=metrics,
        )
        self._datastream = Datastream(hub=self.hub, live=self.live, settings=settings, metrics=metrics)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self.url = f"ws://127.0.0.1:{self.address[1]}/api/feed"

    @contextlib.asynccontextmanager
    async def running(self):
        await self.bus.connect()
        await apply_topology(self.bus.jetstream)
        await self.hub.start()
        await self.live.start()
        app = FastAPI()
        app.state.services = {FeedAdmission: self._admission, Datastream: self._datastream}
        app.include_router(websocket.router)
        self.uvicorn = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", **WEBSOCKET_OPTIONS))
        serving = asyncio.create_task(self.uvicorn.serve(sockets=[self._socket]))
        try:
            await until(lambda: self.uvicorn.started)
            yield self
        finally:
            self.uvicorn.should_exit = True
            await serving
            await self.hub.stop()
            await self.bus.close()

    async def publish(self, events, *, in_flight=50):
        """Publish events in order of their turn, several at once."""
        turns = iter(events)

        async def take_turns():
            for event in turns:
                await self.bus.publish(event)

        await asyncio.gather(*(take_turns() for _ in range(in_flight)))

    @property
    def connections(self):
        """The transports uvicorn still holds."""
        return self.uvicorn.server_state.connections

    def metric(self, name, **labels):
        return self.registry.get_sample_value(f"datalab_{name}", labels)


async def take(heard, count, *, within_s=PATIENCE_S):
    """Return the next `count` items of an asynchronous iterator."""
    async with asyncio.timeout(within_s):
        return [await anext(heard) for _ in range(count)]


@contextlib.asynccontextmanager
async def raw(server, user=None, **options):
    """A connection without a client's cleverness."""
    headers = {"Authorization": f"Token token-{user}"} if user else {}
    async with connect(server.url, additional_headers=headers, proxy=None, close_timeout=0.2, **options) as connection:
        yield Raw(connection)


class Raw:
    """Says and hears single frames."""

    def __init__(self, connection):
        self.connection = connection

    async def say(self, **frame):
        await self.connection.send(json.dumps(frame))

    async def hear(self):
        async with asyncio.timeout(PATIENCE_S):
            return json.loads(await self.connection.recv())

    async def end(self, received=None):
        """Read on until the server closes, keeping the frames in `received`; return code and reason."""
        received = [] if received is None else received
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    received.append(json.loads(await self.connection.recv()))
        return self.connection.close_code, self.connection.close_reason
