"""deploy/nats/nats.conf, tried on the server it is for."""

import asyncio
import json
import os
import re
import uuid
from types import SimpleNamespace
from urllib.request import urlopen

import nats
import pytest

from datalab.events.frames import FileStored
from datalab.events.topology import STREAMS
from datalab.local.binaries import NATS_SERVER, locate
from datalab.local.ports import free_port
from datalab.platform.bus.topology import apply_topology, check_topology
from session_api.settings import SessionApiSettings

#: One that looks like a number, one that looks like a size: the server must not take them for that.
PASSWORDS = {"datalab": "1234567890", "observatory": "12k", "minio": "1e9a-b_c"}


@pytest.fixture(scope="module")
async def bus(compose, root, tmp_path_factory):
    """Start the server as docker-compose.yml does; yields what connects as one of its users, and its monitor."""
    environment = {
        name: re.sub(r'(?<=")[^"]*(?=")', PASSWORDS[_user(name)], value, count=1)
        for name, value in compose.environment("nats").items()
    }
    port, monitor_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("nats")
    text = (root / "deploy/nats/nats.conf").read_text()
    for container_place, here in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor_port}"),
        ("/data", str(folder)),
    ):
        assert text.count(f'"{container_place}"') == 1
        text = text.replace(f'"{container_place}"', json.dumps(here))
    (folder / "nats.conf").write_text(text)
    process = await asyncio.create_subprocess_exec(
        locate(NATS_SERVER), "--config", folder / "nats.conf", env={**os.environ, **environment}
    )
    connections = []

    async def connect(user, **options):
        # The first connection waits for the server to listen: 100 times 0.05 s at most.
        connection = await nats.connect(
            f"nats://127.0.0.1:{port}",
            user=user,
            password=PASSWORDS[user],
            max_reconnect_attempts=100,
            reconnect_time_wait=0.05,
            **options,
        )
        connections.append(connection)
        return connection

    try:
        yield SimpleNamespace(connect=connect, monitor=f"http://127.0.0.1:{monitor_port}")
    finally:
        for connection in connections:
            await connection.close()
        process.terminate()
        await process.wait()


def _user(variable):
    return {"": "datalab", "OBSERVATORY_": "observatory", "MINIO_": "minio"}[
        variable.removeprefix("NATS_").removesuffix("PASSWORD")
    ]


def disk_allowance(monitor):
    with urlopen(f"{monitor}/jsz", timeout=5) as reply:
        return json.load(reply)["config"]["max_storage"]


async def test_the_services_can_make_the_whole_topology(bus):
    jetstream = (await bus.connect("datalab")).jetstream()
    await apply_topology(jetstream)
    await check_topology(jetstream)


async def test_the_disk_allowance_holds_every_stream(bus):
    await bus.connect("datalab")  # so that the server is up
    allowance = await asyncio.to_thread(disk_allowance, bus.monitor)
    assert allowance >= sum(stream.max_bytes for stream in STREAMS)


async def test_the_largest_request_fits_into_a_message(bus):
    connection = await bus.connect("datalab")
    assert connection.max_payload > SessionApiSettings.model_fields["max_request_bytes"].default


@pytest.mark.parametrize(
    ("user", "subject"),
    [("observatory", "observatory.tst.image.new"), ("minio", "datalab.bucket.notification")],
)
async def test_announcements_are_stored(bus, user, subject):
    await apply_topology((await bus.connect("datalab")).jetstream())
    body = FileStored(site="tst", key="data/a.fits", producer="test", event_id=uuid.uuid4().hex).encode()
    stored = await (await bus.connect(user)).jetstream().publish(subject, body)
    assert stored.stream == "FILES"


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("observatory", "datalab.operation.requested.v1.fast"),
        ("observatory", "datalab.bucket.notification"),
        ("minio", "observatory.tst.image.new"),
        ("minio", "$JS.API.STREAM.DELETE.FILES"),
    ],
)
async def test_who_announces_may_do_nothing_else(bus, user, subject):
    refusals = asyncio.Queue()
    connection = await bus.connect(user, error_cb=refusals.put)
    await connection.publish(subject, json.dumps({}).encode())
    refusal = await asyncio.wait_for(refusals.get(), timeout=5)
    assert subject.lower() in str(refusal).lower()
