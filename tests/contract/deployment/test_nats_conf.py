"""deploy/nats/nats.conf with what `datalab sites` writes, tried on the server it is for."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import nats
import pytest

from datalab.events.topology import STREAMS, inbox_prefix
from datalab.local.binaries import NATS_SERVER, locate
from datalab.local.ports import free_port
from datalab.platform.bus.topology import apply_topology, check_topology
from session_api.settings import SessionApiSettings
from support.waiting import PATIENCE_S

#: One that looks like a number, one that looks like a size: the server must not take them for that.
PASSWORDS = {"datalab": "1234567890", "minio": "12k"}


@pytest.fixture(scope="module")
async def bus(compose, root, tmp_path_factory):
    """Start the server as docker-compose.yml does; yields what connects as one of its users, and its monitor."""
    port, monitor_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("nats")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DATALAB_")},
        **compose.environment("sites"),
        "DATALAB_NATS_URL": f"nats://127.0.0.1:{port}",
        "DATALAB_NATS_PASSWORD": PASSWORDS["datalab"],
        "DATALAB_NATS_STORE_PASSWORD": PASSWORDS["minio"],
        "DATALAB_ACCESS_DIR": str(folder / "access"),
    }

    async def datalab(*command):
        return await asyncio.to_thread(
            subprocess.run,
            [Path(sys.executable).with_name("datalab"), *command],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )

    first = await datalab(*compose["sites"]["command"])
    assert "could not be told" in first.stderr  # there is no server yet
    text = (root / "deploy/nats/nats.conf").read_text()
    for container_place, here in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("127.0.0.1:8222", f"127.0.0.1:{monitor_port}"),
        ("/data", str(folder)),
    ):
        assert text.count(f'"{container_place}"') == 1
        text = text.replace(f'"{container_place}"', json.dumps(here))
    (folder / "nats.conf").write_text(text)
    process = await asyncio.create_subprocess_exec(locate(NATS_SERVER), "--config", folder / "nats.conf")
    connections = []

    async def connect(user, password=None, **options):
        # The first connection waits for the server to listen: 100 times 0.05 s at most.
        connection = await nats.connect(
            f"nats://127.0.0.1:{port}",
            user=user,
            password=password or PASSWORDS[user],
            max_reconnect_attempts=100,
            reconnect_time_wait=0.05,
            **options,
        )
        connections.append(connection)
        return connection

    try:
        yield SimpleNamespace(connect=connect, datalab=datalab, monitor=f"http://127.0.0.1:{monitor_port}")
    finally:
        for connection in connections:
            await connection.close()
        process.terminate()
        await process.wait()


def disk_allowance(monitor):
    with urlopen(f"{monitor}/jsz", timeout=PATIENCE_S) as reply:
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


async def test_notifications_of_the_object_store_are_stored(bus):
    await apply_topology((await bus.connect("datalab")).jetstream())
    body = json.dumps({"Event": "s3:TestEvent", "Id": uuid.uuid4().hex}).encode()
    stored = await (await bus.connect("minio")).jetstream().publish("datalab.bucket.notification", body)
    assert stored.stream == "FILES"


async def test_a_site_added_while_it_runs_is_known_and_one_removed_is_not(bus):
    await bus.connect("datalab")  # so that the server is up
    printed = (await bus.datalab("sites", "add", "tst")).stdout
    given = dict(line.split("=", 1) for line in printed.splitlines())
    assert given["DATALAB_NATS_INBOX_PREFIX"] == inbox_prefix("observatory-tst")
    connection = await bus.connect(
        given["DATALAB_NATS_USER"],
        given["DATALAB_NATS_PASSWORD"],
        inbox_prefix=given["DATALAB_NATS_INBOX_PREFIX"],
        allow_reconnect=False,
    )
    assert "tst" in (await bus.datalab("sites", "list")).stdout
    closed = asyncio.Event()

    async def note():
        closed.set()

    connection._closed_cb = note
    await bus.datalab("sites", "remove", "tst")
    await asyncio.wait_for(closed.wait(), timeout=PATIENCE_S)
