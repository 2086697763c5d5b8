"""Observatories with credentials on the bus of the tests, and clients that do what they should not."""

import asyncio
import contextlib
import json
from urllib.parse import urlsplit

import nats
import nats.errors
import pytest

from datalab.events.topology import inbox_prefix
from datalab.local.access import AccessFolder
from datalab.platform.bus.accounts import Login
from datalab.platform.bus.reloading import reload_configuration
from datalab.platform.settings import NatsSettings
from support.servers import EmbeddedServer, s3_client
from support.waiting import PATIENCE_S, until

STORE = Login("minio", "password-of-the-object-store")


class Sites:
    """Gives credentials to sites, as `datalab sites` does, on the server the tests run on."""

    def __init__(self, folder, settings):
        self.access = AccessFolder(folder)
        self.settings = settings

    async def add(self, *names):
        """Make credentials; return them by the names."""
        made = {name: self.access.add(name) for name in names}
        await self._apply()
        return made

    async def remove(self, *names):
        for name in names:
            self.access.remove(name)
        await self._apply()

    async def _apply(self):
        services = Login(self.settings.nats_user, self.settings.nats_password.get_secret_value())
        self.access.write_configuration(services=services, object_store=STORE, bucket="datalab")
        await reload_configuration(self.settings.nats_url, self.access.system)


@contextlib.asynccontextmanager
async def bus_sites(nats_server, folder, *names):
    """Yield `Sites` with credentials for some; they are taken away at the end."""
    if not isinstance(nats_server, EmbeddedServer):
        pytest.skip("accounts are made on an embedded server only")
    sites = Sites(folder.access, nats_server.settings)
    await sites.add(*names)
    try:
        yield sites
    finally:
        await sites.remove(*(each.site for each in sites.access.sites()))


class Client:
    """A connection whose errors are kept."""

    def __init__(self, connection, errors):
        self.connection = connection
        self._errors = errors

    async def refusal(self):
        """Return what the server says next against this client."""
        return str(await asyncio.wait_for(self._errors.get(), timeout=PATIENCE_S)).lower()

    async def refused(self, act):
        """Do something; return what the server says against it."""
        await act
        await self.connection.flush()
        return await self.refusal()

    async def announce(self, site, key="test/x", *, headers=None, **said):
        """Publish an announcement as a JetStream client does; return the acknowledgement."""
        body = {"type": "file.stored.v1", "site": site, "key": key, **said}
        stream = self.connection.jetstream()
        return await stream.publish(f"observatory.{site}.image.new", json.dumps(body).encode(), headers=headers)


@contextlib.asynccontextmanager
async def client(settings, user, password, *, inbox=None):
    """Connect as a user."""
    errors = asyncio.Queue()
    connection = await nats.connect(
        settings.nats_url,
        user=user,
        password=password,
        inbox_prefix=inbox or inbox_prefix(user),
        error_cb=errors.put,
        allow_reconnect=False,
    )
    try:
        yield Client(connection, errors)
    finally:
        with contextlib.suppress(nats.errors.Error):
            await connection.close()


async def answer_to_login(settings, **login):
    """Say who one is, in the protocol of the bus; return the server's answer: nats-py leaves a socket when refused."""
    where = urlsplit(settings.nats_url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        await reader.readline()  # INFO
        writer.write(f"CONNECT {json.dumps({'verbose': False, 'pedantic': False, **login})}\r\nPING\r\n".encode())
        return (await asyncio.wait_for(reader.readline(), timeout=PATIENCE_S)).decode().strip()
    finally:
        writer.close()
        await writer.wait_closed()


def as_site(sites, name):
    """Connect as a site."""
    (credentials,) = (each for each in sites.access.sites() if each.site == name)
    return client(sites.settings, credentials.nats_user, credentials.nats_password)


def site_settings(settings, credentials):
    """Return the settings of the bus that a site is given."""
    return NatsSettings(
        nats_url=settings.nats_url, nats_user=credentials.nats_user, nats_password=credentials.nats_password
    )


def as_store(sites):
    """Connect as MinIO does, whose client has the usual inbox."""
    return client(sites.settings, STORE.user, STORE.password, inbox="_INBOX")


async def positions(bus, names):
    """Return the last sequence of some streams."""
    return {name: (await bus.jetstream.stream_info(name)).state.last_seq for name in names}


async def s3_key_works(settings):
    """Tell whether the store answers to a key."""

    def ask():
        with s3_client(settings) as store:
            return [each.name for each in store.list_buckets()]

    return await until(lambda: asyncio.to_thread(ask))
