"""Whatever is killed while operations run, every one of them completes exactly once and every client hears of it."""

import asyncio
import itertools
import signal
from collections import Counter
from io import BytesIO

import httpx
import numpy as np
import pytest
from astropy.io import fits
from pydantic import TypeAdapter

from datalab.client.feed import FeedClient
from datalab.errors import TransientError
from datalab.events.feed import FrameChanged, OperationChanged
from datalab.events.frames import FileStored
from datalab.events.operations import OperationReport, OperationSucceeded
from datalab.events.topology import DEAD, REPORTS, RUNNERS
from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore

SITE = "sim"
FRAMES = 16  # 120 different pairs
OPERATIONS = 100
SIDE = 64
PATIENCE_S = 150


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
        self.event_ids = Counter()
        self.sequences = []
        self.frames = set()
        self._changed = asyncio.Condition()

    async def listen(self, feed):
        async for heard in feed:
            async with self._changed:
                self.sequences.append(heard.sequence)
                self.event_ids[heard.event.event_id] += 1
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


async def bring_in(numbers, *, store, bus):
    for number in numbers:
        key, content = frame(number)
        await insist(lambda key=key, content=content: store.put_bytes(key, content, content_type="application/fits"))
        announcement = FileStored(site=SITE, key=key, size_bytes=len(content))
        await insist(lambda event=announcement: bus.publish(event))


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
    async with asyncio.timeout(60):
        for consumer in RUNNERS.values():
            while True:  # a redelivered message is acknowledged as soon as its result is found again
                info = await bus.jetstream.consumer_info(consumer.stream, consumer.name)
                if info.num_pending == 0 and info.num_ack_pending == 0:
                    break
                await asyncio.sleep(0.2)
    dead = [message async for message in bus.replay(DEAD, after=0, filter_subjects=DEAD.subjects)]
    assert dead == []
