"""Whatever is killed while operations run, every one of them completes exactly once and every client hears of it."""

import asyncio
import itertools
import signal
from io import BytesIO

import httpx
import numpy as np
import pytest
from astropy.io import fits
from pydantic import TypeAdapter

from datalab.client.feed import FeedClient
from datalab.events.operations import OperationReport, OperationSucceeded
from datalab.events.topology import DEAD, REPORTS, RUNNERS
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support.chaos import FEW_OPERATIONS, SITE, Observer, basename, bring_in, insist, pixels_of

FRAMES = 16  # 120 different pairs
OPERATIONS = 100
PATIENCE_S = 150


@pytest.fixture
async def system(tmp_path):
    async with running_system(
        tmp_path / "chaos", runners=2, reach=Reach(api_port=free_port()), environ=FEW_OPERATIONS
    ) as running:
        yield running


@pytest.fixture
async def bus(system):
    connected = Bus(settings=system.nats_settings, service="chaos", metrics=BusMetrics(create_registry()))
    await connected.connect()
    yield connected
    await connected.close()


async def test_every_operation_completes_exactly_once(system, bus):
    async with (
        asyncio.timeout(PATIENCE_S),
        ObjectStore(system.s3_settings) as store,
        httpx.AsyncClient(base_url=f"{system.api_url}/api/", timeout=10.0) as api,
    ):
        api.headers["Authorization"] = f"Token {system.admin_token}"
        user = (await api.post("users/", json={"username": "chaos"})).raise_for_status().json()
        api.headers["Authorization"] = f"Token {user['token']}"
        session = (await api.post("datasessions/", json={"name": "chaos"})).raise_for_status().json()["id"]
        reports = []

        async def hear_report(message):
            reports.append(TypeAdapter(OperationReport).validate_json(message.body))

        await bus.follow(REPORTS, after=0, on_message=hear_report).start()
        url = f"{system.api_url.replace('http', 'ws', 1)}/api/feed"
        observer = Observer()
        async with FeedClient(url, token=user["token"]) as feed:
            await feed.subscribe(sessions=[session], sites=[SITE])
            listening = asyncio.create_task(observer.listen(feed))
            await bring_in(range(FRAMES), store=store, bus=bus)
            await observer.until(lambda seen: len(seen.frames) == FRAMES)

            requesting = asyncio.create_task(request_all(api, session))
            await wreak_havoc(system, observer, store=store, bus=bus)
            operations = await requesting
            await observer.until(lambda seen: len(seen.terminal) == OPERATIONS)
            await observer.until(lambda seen: len(seen.frames) == FRAMES + 4)
            listening.cancel()

        assert feed.missed == []
        assert observer.sequences == sorted(set(observer.sequences))
        assert set(observer.event_ids.values()) == {1}
        assert observer.terminal == {operation: ["COMPLETED"] for operation in operations}
        assert len(set(operations)) == OPERATIONS

        listed = (await insist(lambda: api.get(f"datasessions/{session}/operations/?limit=1000"))).json()["results"]
        assert {item["id"]: item["status"] for item in listed} == dict.fromkeys(operations, "COMPLETED")
        await assert_results_right(listed)
        assert_computed_once(reports)
        await assert_nothing_left_over(bus)


async def request_all(api, session):
    """Request every operation once; a repeated request after a lost reply carries the same idempotency key."""

    async def request(pair):
        files = [{"source": "archive", "basename": basename(number)} for number in pair]
        body = {"name": "Median", "input_data": {"input_files": files}}
        headers = {"Idempotency-Key": "chaos-{}-{}".format(*pair)}
        path = f"datasessions/{session}/operations/"
        return (await insist(lambda: api.post(path, json=body, headers=headers))).json()["id"]

    pairs = list(itertools.combinations(range(FRAMES), 2))[:OPERATIONS]
    operations = []
    for start in range(0, OPERATIONS, 10):
        operations += await asyncio.gather(*(request(pair) for pair in pairs[start : start + 10]))
    return operations


async def wreak_havoc(system, observer, *, store, bus):
    supervisor = system.supervisor

    async def after(count):
        await observer.until(lambda seen: len(seen.terminal) >= count)

    await after(5)
    supervisor.kill("operation-runner-1")
    await after(12)
    supervisor.kill("session-api")
    await after(20)
    supervisor.kill("ingest")
    await bring_in(range(FRAMES, FRAMES + 4), store=store, bus=bus)
    await after(30)
    await supervisor.take_down("nats", signal.SIGKILL)
    await supervisor.bring_up("nats")
    await after(50)
    await supervisor.take_down("mongo", signal.SIGKILL)
    await supervisor.bring_up("mongo")
    await after(70)
    supervisor.kill("operation-runner-2")


async def assert_results_right(listed):
    async with httpx.AsyncClient(timeout=30.0) as anonymous:
        for item in listed:
            (output,) = item["output"]["output_files"]
            reply = (await anonymous.get(output["fits_url"])).raise_for_status()
            numbers = [int(file["basename"].rpartition("-")[2]) for file in item["input_data"]["input_files"]]
            expected = np.median([pixels_of(number) for number in numbers], axis=0)
            assert np.array_equal(fits.getdata(BytesIO(reply.content), "SCI"), expected)


def assert_computed_once(reports):
    """Every report of success of an attempt is the same event; nothing failed or was cancelled."""
    successes = {}
    for report in reports:
        assert report.type in ("operation.started.v1", "operation.progressed.v1", "operation.succeeded.v1")
        if isinstance(report, OperationSucceeded):
            successes.setdefault(report.operation_id, set()).add((report.event_id, report.result.result_key))
    assert len(successes) == OPERATIONS
    assert all(len(told) == 1 for told in successes.values())


async def assert_nothing_left_over(bus):
    async with asyncio.timeout(PATIENCE_S):
        for consumer in RUNNERS.values():
            while True:  # a redelivered message is acknowledged as soon as its result is found again
                info = await bus.jetstream.consumer_info(consumer.stream, consumer.name)
                if info.num_pending == 0 and info.num_ack_pending == 0:
                    break
                await asyncio.sleep(0.2)
    dead = [message async for message in bus.replay(DEAD, after=0, filter_subjects=DEAD.subjects)]
    assert dead == []
