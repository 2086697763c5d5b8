"""Control rooms are made anew once in their hour, by the one process that is elected."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from nats.js.api import KeyValueConfig

from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from datalab.events.topology import LEASES
from datalab.local.ports import free_port
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.election import Election
from datalab.platform.bus.leases import LeaseKeeper
from datalab.platform.bus.topology import apply_topology
from datalab.platform.documents.client import DocumentStore
from datalab.platform.metrics import BusMetrics, create_registry
from session_api.control_rooms.meeting import MeetingRooms
from session_api.control_rooms.repository import ControlRoomRepository
from session_api.control_rooms.service import ControlRoomService
from session_api.settings import SessionApiSettings
from session_api.uploads.open_sites import OpenSites
from support.waiting import PATIENCE_S, until


@pytest.fixture
async def database(settings_environment):
    store = DocumentStore(SessionApiSettings())
    yield store.database
    await store.close()


@pytest.fixture
async def bus(settings_environment):
    bus = Bus(settings=SessionApiSettings(), service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    await apply_topology(bus.jetstream)
    yield bus
    await bus.close()


@pytest.fixture
async def start(settings_environment, tmp_path):
    """Return a function that starts a process of the session API; none survives the test."""
    processes = []

    async def start_process(**changes):
        process = Process(tmp_path / f"{len(processes)}.log")
        processes.append(process)
        await process.start({**os.environ, **settings_environment, **changes})
        await until(process.serves)
        return process

    yield start_process
    for process in processes:
        await process.kill()


def service(database, now):
    return ControlRoomService(
        rooms=ControlRoomRepository(database),
        provider=MeetingRooms(url="https://meet.example", page_url="https://ui.example"),
        open_sites=OpenSites([]),
        restart_hours={"mrc": 22, "saf": 23},
        clock=lambda: now[0],
    )


async def nothing():
    pass


async def opened_at(database, site, moment):
    document = {"_id": site, "revision": 1, "in_hand_until": None, "opened_at": moment}
    room = {"slug": "old", "room_id": "old", "url": "https://meet.example/old", "config": {}}
    await database["control_rooms"].insert_one({**document, "room": room})


async def test_a_room_is_made_anew_once_in_its_hour_however_many_look(database):
    now = [datetime(2126, 11, 30, 21, 59, 59, tzinfo=UTC)]
    for site in ("mrc", "saf", "tst"):
        await opened_at(database, site, now[0] - timedelta(hours=3))
    services = [service(database, now) for _ in range(5)]
    seen = []
    for step in (0, 1, 2, 1800, 5, 7200):  # before the hour, in it (three times), the hour of another, long after
        now[0] += timedelta(seconds=step)
        await asyncio.gather(*(each.restart_due(nothing) for each in services))
        documents = await database["control_rooms"].find({}).to_list(None)
        seen.append({each["_id"]: each["room"]["url"] for each in documents if each["room"]["slug"] != "old"})
    assert seen[0] == {}
    assert list(seen[1]) == ["mrc"]
    assert seen[1] == seen[2] == seen[3] == seen[4]
    assert set(seen[5]) == {"mrc", "saf"}
    assert seen[5]["mrc"] == seen[1]["mrc"]


async def test_who_is_no_longer_elected_makes_no_room_anew(database):
    now = [datetime(2126, 11, 30, 22, 0, 1, tzinfo=UTC)]
    await opened_at(database, "mrc", now[0] - timedelta(hours=3))

    async def lost():
        raise TransientError("somebody else has taken over")

    with pytest.raises(TransientError, match="taken over"):
        await service(database, now).restart_due(lost)
    assert (await database["control_rooms"].find_one({"_id": "mrc"}))["room"]["slug"] == "old"


async def test_one_works_and_another_follows_when_it_ends_or_is_killed(bus):
    bucket = await bus.jetstream.create_key_value(KeyValueConfig(bucket="elections", ttl=600))

    async def opened():
        return bucket

    worked = []

    def candidate(name):
        async def work(confirm):
            await confirm()
            worked.append(name)

        return Election(LeaseKeeper(opened, ttl_s=600), "test", work=work)

    first, second, third = map(candidate, "abc")
    for _ in range(2):
        for each in (first, second, third):
            await each.turn()
    assert worked == ["a", "a"]
    await first.stop()
    await second.turn()
    await third.turn()
    assert worked == ["a", "a", "b"]
    await bucket.purge("elected.test")  # as when its time is over
    await third.turn()
    with pytest.raises(TransientError, match="somebody else has taken over"):
        await second.turn()
    await second.turn()
    await third.turn()
    assert worked == ["a", "a", "b", "c", "c"]


class Process:
    """`python -m session_api`, and what it says."""

    def __init__(self, log):
        self._log = log
        self._port = free_port()

    async def start(self, environment):
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "session_api",
                env={**environment, "DATALAB_HTTP_PORT": str(self._port)},
                stdout=log,
                stderr=log,
            )

    async def serves(self):
        async with httpx.AsyncClient(trust_env=False) as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"http://127.0.0.1:{self._port}/healthz")).status_code == 200
        return False

    def said(self, event):
        """Return what it has logged of an event."""
        records = map(json.loads, self._log.read_text().splitlines())
        return [record for record in records if record["event"] == event]

    async def kill(self):
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S):
                await self._process.wait()


async def test_of_two_processes_one_makes_rooms_anew_and_the_other_when_that_is_killed(database, bus, start):
    hour = utc_now().hour
    restarts = {"DATALAB_CONTROL_ROOM_RESTART_HOURS": json.dumps({"tst": hour, "tst001": hour})}
    bucket = await bus.key_value(LEASES)
    processes = await asyncio.gather(start(**restarts), start(**restarts))
    yesterday = utc_now() - timedelta(days=1)

    def elected():
        return [each for each in processes if each.said("election.won")]

    async def shown(site):
        document = await database["control_rooms"].find_one({"_id": site})
        made_anew = document["in_hand_until"] is None and document["room"]["slug"] != "old"
        return document["revision"] if made_anew else None

    (leader,) = await until(elected)
    await opened_at(database, "tst", yesterday)
    revision = await until(lambda: shown("tst"))
    await leader.kill()
    await opened_at(database, "tst001", yesterday)
    await bucket.purge("elected.control-rooms")  # as when its time is over
    await until(lambda: shown("tst001"))
    assert await shown("tst") == revision, "it was looked at before"
    (follower,) = set(processes) - {leader}
    assert len(elected()) == 2
    assert [record["site"] for record in follower.said("control_room.opened")] == ["tst001"]
