"""What is interrupted is finished; what nobody announced is found."""

import asyncio
import os
import signal
import sys

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import FrameFile
from datalab.errors import TransientError
from datalab.events.frames import FileRejected, FrameIngested
from datalab.events.topology import DEAD, FILE_INGEST, FILES, Consumer, dead_letter_subject
from datalab.platform.allowance import Allowance
from datalab.platform.bus.connection import Bus
from datalab.platform.documents.collection import LostRaceError
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.metrics import BusMetrics, OutboxMetrics, create_registry
from ingest.arrivals.bus import file_subscription
from ingest.arrivals.refusals import Refusals
from ingest.frames.model import frame_ingested, new_frame, with_file
from ingest.frames.repository import FrameRepository
from support.fits_files import header_text, packed_fits
from support.ingest import BEGINNING
from support.ingest_service import arrivals, base_name, running, settings_for_tests, surroundings
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture
async def settings(settings_environment, tmp_path):
    return settings_for_tests(tmp_path)


@pytest.fixture
async def observatory(settings):
    async with surroundings(settings) as around:
        yield around


async def test_what_nobody_announced_is_found_once_and_bad_files_are_told_once(settings, observatory):
    base = base_name()
    for ending, content in {"EX00.txt": header_text(), "EX00.fits.fz": packed_fits(), "EX10.jpg": JPEG}.items():
        await observatory.put(f"{base}-{ending}", content)
    bad = await observatory.put(f"{base}-EX01.fits.fz", b"nothing")
    await observatory.put("nonsense", b"x")
    await observatory.put("M 51.fits", b"whose?")
    await observatory.put(f"{base}-EX10.jpg", JPEG, folder="test")
    async with arrivals(settings) as here:
        first, second = [await here.reconciler.reconcile() for _ in range(2)]
    assert (first.listed, first.found, first.ingested, first.rejected) == (6, 5, 3, 2)
    assert second.found == 0
    frame = await observatory.frame(base, files=3)
    assert frame["header_source"] == "text"
    assert len(await observatory.told(bad, FileRejected)) == 1
    assert len(await observatory.all_told(FrameIngested)) == 3


async def test_the_running_service_looks_by_itself(observatory, settings):
    base = base_name()
    await observatory.put(f"{base}-EX10.jpg", JPEG)
    async with running(settings.model_copy(update={"reconcile_first_delay_s": 0})):
        await observatory.frame(base, files=1)


async def test_what_was_written_but_not_published_is_published_by_the_sweep(settings, observatory):
    name = parse_file_name(f"{base_name()}-EX10.jpg")
    file = FrameFile(key="data/x", size_bytes=1, sha256="0" * 64, etag="", media_type="image/jpeg", stored_at=BEGINNING)
    # Never started: its process was killed after the write.
    relay = OutboxRelay(bus=observatory.bus, metrics=OutboxMetrics(create_registry()))
    frames = FrameRepository(database=observatory.database, relay=relay)
    empty = new_frame(name=name, site="tst", frame_id=await frames.next_frame_id(), now=BEGINNING)
    frame = with_file(empty, name=name, file=file, header=None, now=BEGINNING)
    event = frame_ingested(frame, before=empty, role="jpg_10", correlation_id="c", producer="ingest")
    await frames.save(frame, [event])
    with pytest.raises(LostRaceError):
        await frames.save(frame, [event])
    assert await observatory.all_told(FrameIngested) == []
    async with running(settings):
        assert await observatory.told("data/x", FrameIngested) == [event]

        async def published():
            return (await observatory.database["frames"].find_one({"_id": name.basename}))["outbox"] == []

        await until(published)


async def test_an_announced_file_that_never_comes_is_given_up_with_the_reason(settings, observatory):
    impatient = Consumer(
        name="impatient",
        description="file-ingest with little patience",
        stream=FILES.name,
        filter_subjects=("observatory.late.image.new",),
        ack_wait_s=5,
        max_tries=3,
        retry_base_s=0.01,
    )
    await observatory.bus.jetstream.add_consumer(
        FILES.name,
        ConsumerConfig(
            durable_name=impatient.name,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=impatient.ack_wait_s,
            filter_subject=impatient.filter_subjects[0],
        ),
    )
    bus = Bus(settings=settings, service="impatient", metrics=BusMetrics(create_registry()))
    await bus.connect()
    base = base_name(site="late")
    came, never = (f"data/{base}-{ending}" for ending in ("EX11.jpg", "EX10.jpg"))
    content = await observatory.put(f"{base}-EX01.fits", b"half")
    async with arrivals(settings) as here:
        bus.subscribe(
            file_subscription(
                ingestion=here.ingestion,
                refusals=Refusals(publisher=bus, allowance=Allowance(per_s=1, burst_s=1)),
                bucket=settings.s3_bucket,
                concurrency=1,
                consumer=impatient,
            )
        )
        await bus.start()
        await observatory.announce(never, site="late")
        await observatory.announce(content, site="late", size_bytes=8)
        await observatory.put(f"{base}-EX11.jpg", JPEG)
        await observatory.announce(came, site="late")
        (absent,) = await observatory.told(never, FileRejected)
        (unlike,) = await observatory.told(content, FileRejected)
        await observatory.frame(base, files=1)
        assert (await here.reconciler.reconcile()).found == 0
        await bus.close()
    assert "there is no object" in absent.reason
    assert "has 4 bytes, announced were 8" in unlike.reason
    assert "there is no object" in (await observatory.dead_letter(never))[0]
    last = (await observatory.bus.stream_position(DEAD)).last
    assert (await observatory.bus.stored_message(DEAD.name, last)).subject == dead_letter_subject(impatient)


@pytest.mark.parametrize("away", ["mongo_server", "s3_server"])
async def test_a_store_that_comes_back_finds_the_file_waiting(settings, observatory, request, away):
    server = request.getfixturevalue(away)
    base = base_name()
    key = await observatory.put(f"{base}-EX10.jpg", JPEG)
    async with running(settings.model_copy(update={"mongo_timeout_s": 2.0})):
        await server.kill()
        await observatory.announce(key)

        async def redelivered():
            info = await observatory.bus.jetstream.consumer_info(FILES.name, FILE_INGEST.name)
            return info.num_redelivered

        await until(redelivered)
        await server.restart()
        await observatory.frame(base, files=1)
        assert len(await observatory.told(key, FrameIngested)) == 1
        assert await observatory.all_told(FileRejected) == []


async def test_a_bus_that_comes_back_brings_the_files_announced_meanwhile(settings, observatory, nats_server):
    bases = [base_name(), base_name()]
    keys = [await observatory.put(f"{base}-EX10.jpg", JPEG) for base in bases]
    async with running(settings):
        await observatory.announce(keys[0])
        await observatory.frame(bases[0], files=1)
        await nats_server.kill()
        await nats_server.restart()

        async def announced():
            try:
                await observatory.announce(keys[1])
            except TransientError:
                return False
            return True

        await until(announced)
        await observatory.frame(bases[1], files=1)
        assert len(await observatory.told(keys[1], FrameIngested)) == 1


async def test_a_service_killed_at_work_leaves_nothing_undone(settings, observatory, tmp_path, settings_environment):
    environment = {
        **os.environ,
        "DATALAB_HTTP_PORT": "0",
        "DATALAB_SCRATCH_DIR": str(tmp_path / "killed"),
        # The bus hands a killed process's messages to others after 30 s; the reconciler is sooner.
        "DATALAB_RECONCILE_FIRST_DELAY_S": "0",
        "DATALAB_RECONCILE_INTERVAL_S": "0.2",
        "DATALAB_RECONCILE_MIN_AGE_S": "0",
        "DATALAB_LOG_LEVEL": "ERROR",
    }
    bases = [base_name() for _ in range(20)]
    for base in bases:
        await observatory.put(f"{base}-EX00.fits.fz", packed_fits())
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", env=environment)
    for base in bases:
        await observatory.announce(f"data/{base}-EX00.fits.fz")
    await observatory.frame(bases[0], files=1)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    again = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", env=environment)
    try:
        for base in bases:
            await observatory.frame(base, files=1)

        async def all_told():
            told = [event.basename for event in await observatory.all_told(FrameIngested)]
            return told if len(told) >= len(bases) else None

        assert sorted(await until(all_told)) == sorted(bases)
    finally:
        again.send_signal(signal.SIGTERM)
        # After an orderly end, uvicorn leaves with the signal it was sent.
        assert await again.wait() in {0, -signal.SIGTERM}
    numbers = [document["frame_id"] async for document in observatory.database["frames"].find()]
    assert len(set(numbers)) == len(numbers) == len(bases)
    assert list((tmp_path / "killed").iterdir()) == []
