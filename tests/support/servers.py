"""Real servers for tests: the embedded ones, those named by `DATALAB_*_URL`, or containers, in one shape.

Embedded and container servers can be killed and restarted by a chaos test; a server named by URL belongs to somebody
else: such a test is skipped, and the run refuses one that already holds streams.
"""

import contextlib
import os
import signal
import uuid

import nats
import pymongo
import pytest
import urllib3
from docker.errors import DockerException
from minio import Minio
from minio.error import MinioException
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from datalab.local.binaries import MONGOD, NATS_SERVER, RCLONE, BinaryUnavailableError
from datalab.local.ports import free_port
from datalab.local.servers import MongoServer, NatsServer, S3Server
from datalab.platform.settings import MongoSettings, NatsSettings, S3Settings


class EmbeddedServer:
    """A server of `datalab.local`, kept running by a supervisor."""

    def __init__(self, supervisor, unit, settings_type):
        self._supervisor = supervisor
        self._unit = unit
        self._settings_type = settings_type

    @property
    def environment(self):
        return self._unit.environment()

    @property
    def settings(self):
        return read_settings(self._settings_type, self.environment)

    @property
    def pid(self):
        return self._supervisor.status(self._unit.name).pid

    async def kill(self):
        """SIGKILL, and stay down until `restart`."""
        await self._supervisor.take_down(self._unit.name, signal.SIGKILL)

    async def restart(self):
        """Start again on the same port with the same data; ends a running one first."""
        await self._supervisor.take_down(self._unit.name)
        await self._supervisor.bring_up(self._unit.name)

    async def ensure_up(self):
        """Undo what a failed chaos test left."""
        if self.pid is None:
            await self._supervisor.bring_up(self._unit.name)


class ContainerServer:
    """The image production uses, where the wheel has no program for this machine but Docker runs."""

    def __init__(self, container, environment, settings_type):
        self._container = container
        self._settings_type = settings_type
        self.environment = environment
        self._up = True

    @property
    def settings(self):
        return read_settings(self._settings_type, self.environment)

    async def kill(self):
        self._container.get_wrapped_container().kill()
        self._up = False

    async def restart(self):
        self._container.get_wrapped_container().restart()
        self._up = True

    async def ensure_up(self):
        if not self._up:
            await self.restart()


class ExternalServer:
    """A server somebody named by URL."""

    def __init__(self, environment, settings_type):
        self._settings_type = settings_type
        self.environment = environment

    @property
    def settings(self):
        return read_settings(self._settings_type, self.environment)

    async def kill(self):
        pytest.skip("a server given by URL is not killed")

    async def restart(self):
        pytest.skip("a server given by URL is not restarted")

    async def ensure_up(self):
        pass


def read_settings(settings_type, environment):
    """Return `settings_type` read from `environment` on top of the present one."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return settings_type()


@contextlib.asynccontextmanager
async def running_server(*, unit_type, settings_type, program, container, supervisor, folder):
    """Yield the server named by URL, else the embedded one, else a container."""
    if os.environ.get(program.setting):
        given = {name: value for name, value in os.environ.items() if name.startswith(program.setting[: -len("URL")])}
        yield ExternalServer(given, settings_type)
        return
    try:
        unit = unit_type(folder)
    except BinaryUnavailableError as unavailable:
        try:
            started, environment = container()
        except DockerException as no_docker:
            raise unavailable from no_docker
        with started:
            yield ContainerServer(started, environment, settings_type)
        return
    await supervisor.start(unit)
    yield EmbeddedServer(supervisor, unit, settings_type)


@contextlib.asynccontextmanager
async def running_nats(supervisor, folder):
    async with running_server(
        unit_type=NatsServer,
        settings_type=NatsSettings,
        program=NATS_SERVER,
        container=nats_container,
        supervisor=supervisor,
        folder=folder,
    ) as server:
        if isinstance(server, ExternalServer) and (streams := await stream_names(server.settings)):
            raise pytest.UsageError(f"tests delete every stream, and {NATS_SERVER.setting} holds {streams}")
        yield server


def running_mongo(supervisor, folder):
    return running_server(
        unit_type=MongoServer,
        settings_type=MongoSettings,
        program=MONGOD,
        container=mongo_container,
        supervisor=supervisor,
        folder=folder,
    )


def running_s3(supervisor, folder):
    return running_server(
        unit_type=S3Server,
        settings_type=S3Settings,
        program=RCLONE,
        container=s3_container,
        supervisor=supervisor,
        folder=folder,
    )


def container_on_fixed_port(image, port, ready):
    """Return a container that keeps its port when it is restarted, and that port."""
    outside = free_port()
    return DockerContainer(image).with_bind_ports(port, outside).waiting_for(LogMessageWaitStrategy(ready)), outside


def nats_container():
    container, port = container_on_fixed_port("nats:2.15.1-alpine", 4222, "Server is ready")
    environment = {
        "DATALAB_NATS_URL": f"nats://127.0.0.1:{port}",
        "DATALAB_NATS_USER": "datalab",
        "DATALAB_NATS_PASSWORD": uuid.uuid4().hex,
    }
    login = ["--user", environment["DATALAB_NATS_USER"], "--pass", environment["DATALAB_NATS_PASSWORD"]]
    return container.with_command(["-js", "-sd", "/data", *login]), environment


def mongo_container():
    container, port = container_on_fixed_port("mongo:7.0.21", 27017, "Waiting for connections")
    url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    return container, {"DATALAB_MONGO_URL": url}


def s3_container():
    container, port = container_on_fixed_port("minio/minio:RELEASE.2025-09-07T16-13-09Z", 9000, "API:")
    key, secret = "datalab", uuid.uuid4().hex
    container = container.with_env("MINIO_ROOT_USER", key).with_env("MINIO_ROOT_PASSWORD", secret)
    return container.with_command(["server", "/data"]), {
        "DATALAB_S3_URL": f"http://127.0.0.1:{port}",
        "DATALAB_S3_ACCESS_KEY": key,
        "DATALAB_S3_SECRET_KEY": secret,
    }


@contextlib.asynccontextmanager
async def isolated_settings(*, nats_server, mongo_server, s3_server):
    """Set the environment to an unused database, an unused bucket name and a bus without streams; clean up after."""
    servers = (nats_server, mongo_server, s3_server)
    for server in servers:
        await server.ensure_up()
    name = f"test-{uuid.uuid4().hex[:16]}"
    environment = {variable: value for server in servers for variable, value in server.environment.items()}
    environment |= {"DATALAB_MONGO_DATABASE": name, "DATALAB_S3_BUCKET": name}
    await delete_streams(nats_server.settings)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        yield environment
    for server in servers:
        await server.ensure_up()
    await delete_streams(nats_server.settings)
    await drop_database(mongo_server.settings, name)
    delete_bucket(s3_server.settings, name)


@contextlib.asynccontextmanager
async def nats_connection(settings):
    """Connect to NATS as `settings` say."""
    connection = await nats.connect(
        settings.nats_url.split(","),
        user=settings.nats_user,
        password=settings.nats_password and settings.nats_password.get_secret_value(),
    )
    try:
        yield connection
    finally:
        await connection.close()


async def stream_names(settings):
    async with nats_connection(settings) as connection:
        return sorted(info.config.name for info in await connection.jetstream().streams_info())


async def delete_streams(settings):
    """Delete every stream, so also every key-value bucket and consumer."""
    async with nats_connection(settings) as connection:
        jetstream = connection.jetstream()
        for info in await jetstream.streams_info():
            await jetstream.delete_stream(info.config.name)


@contextlib.asynccontextmanager
async def mongo_client(settings):
    """Connect to MongoDB as `settings` say."""
    async with pymongo.AsyncMongoClient(settings.mongo_url.get_secret_value(), tz_aware=True) as client:
        yield client


async def drop_database(settings, name):
    async with mongo_client(settings) as client:
        await client.drop_database(name)


@contextlib.contextmanager
def s3_client(settings):
    """Talk to the object store as `settings` say."""
    with urllib3.PoolManager(retries=False, timeout=60) as pool:
        yield Minio(
            settings.s3_url.split("//")[1],
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=settings.s3_url.startswith("https:"),
            region=settings.s3_region,
            http_client=pool,
        )


def delete_bucket(settings, name):
    with s3_client(settings) as client, contextlib.suppress(MinioException):
        for item in client.list_objects(bucket_name=name, recursive=True):
            client.remove_object(bucket_name=name, object_name=item.object_name)
        client.remove_bucket(bucket_name=name)
