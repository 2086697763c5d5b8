"""`python -m session_api` as a supervisor sees it."""

import asyncio
import json
import os
import signal
import sys

import httpx
import pytest

from datalab.local.ports import free_port
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from session_api.settings import SessionApiSettings
from support.waiting import PATIENCE_S, until


@pytest.fixture
async def start(settings_environment):
    """Start the process with some settings changed; it does not survive the test."""
    processes = []

    async def start_process(**changes):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "session_api",
            env={**os.environ, **settings_environment, **changes},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def output_of(process):
    """Return exit status and log records of a process that ends by itself."""
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    return process.returncode, [json.loads(line) for line in output.decode().splitlines()]


async def declare_topology():
    bus = Bus(settings=SessionApiSettings(), service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    await apply_topology(bus.jetstream)
    await bus.close()


async def test_it_serves_and_stops_when_told_to(start):
    await declare_topology()
    port = free_port()
    process = await start(DATALAB_HTTP_PORT=str(port), DATALAB_ADMIN_TOKEN="the-operators-own-token")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

        async def answers():
            try:
                return (await client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers)
        reply = await client.get("/api/users/", headers={"Authorization": "Token the-operators-own-token"})
        assert reply.json()["count"] == 0
        assert "server" not in reply.headers
    process.send_signal(signal.SIGTERM)
    status, records = await output_of(process)
    assert status in (0, -signal.SIGTERM)
    assert [record for record in records if record["level"] in ("error", "critical")] == []
    assert "the-operators-own-token" not in str(records)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"DATALAB_NATS_URL": "nats://127.0.0.1:1"}, "the bus does not answer"),
        (
            {"DATALAB_MONGO_URL": "mongodb://127.0.0.1:1", "DATALAB_MONGO_TIMEOUT_S": "0.5"},
            "the document store does not answer",
        ),
        ({}, "run `datalab topology apply`"),
    ],
)
async def test_without_its_servers_it_says_what_is_missing_and_ends(start, change, reason):
    process = await start(DATALAB_HTTP_PORT="0", **change)
    status, records = await output_of(process)
    assert status == 1
    errors = [record["event"] for record in records if record["level"] == "error"]
    assert reason in errors[0]
    assert "Traceback" not in str(records)
