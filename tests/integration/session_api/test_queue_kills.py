"""Sixteen machines empty a queue through two processes of the API while one of these is killed, and machines die.

`ITEMS=5000` makes the queue as long as a bad night's.
"""

import asyncio
import itertools
import os
import random
import sys
from collections import defaultdict
from datetime import UTC, datetime

import httpx
import pytest

from datalab.local.ports import free_port
from datalab.local.unit import http_complaint
from session_api.queues.model import Item, milliseconds, new_item_id
from session_api.queues.repository import QueueRepository
from support.session_api import running_world
from support.waiting import PATIENCE_S, until

ITEMS = int(os.environ.get("ITEMS", "200"))
MACHINES = 16
#: The process is killed when so many parts of the items are done.
KILLED_AT = (0.3,) if ITEMS <= 200 else (0.2, 0.4, 0.6, 0.8)
LEASE_S = 1.5 if ITEMS <= 200 else 5.0


class ApiProcess:
    """`python -m session_api`, that is killed and comes back at the same address."""

    def __init__(self, environment):
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = {**os.environ, **environment, "DATALAB_HTTP_PORT": str(self._port)}

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "session_api"),
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE_S):
            while await http_complaint(f"{self.url}/readyz"):
                assert self._process.returncode is None
                await asyncio.sleep(0.05)

    async def kill(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@pytest.fixture(scope="module")
async def apis(module_settings_environment):
    """A world, and the addresses of two processes on its servers; the second one can be killed."""
    sites = {"DATALAB_OPEN_UPLOAD_SITES": '["*"]', "DATALAB_QUEUE_MAX_DELIVERIES": "1000"}
    async with running_world(module_settings_environment, open_upload_sites=["*"], queue_max_deliveries=1000) as world:
        process = ApiProcess({**module_settings_environment, **sites})
        await process.start()
        try:
            yield world, process
        finally:
            await process.kill()


async def fill(world, name):
    """Make a queue and put all items into it; each payload is its number."""
    async with world.client() as client:
        assert (await client.post("/pipe/queue", json={"queue_name": name})).status_code == 200
    queue = await QueueRepository(world.database).find(name)
    now = datetime.now(UTC)
    await world.database["queue_items"].insert_many(
        Item(
            item_id=new_item_id(milliseconds(now), number),
            queue_id=queue.queue_id,
            queue_name=name,
            sequence=number,
            payload=str(number),
            size_bytes=8,
            sender="tst",
            created_at=milliseconds(now),
            expires_at=now.replace(year=now.year + 1),
        ).stored()
        for number in range(1, ITEMS + 1)
    )
    await world.database["queues"].update_one({"_id": queue.queue_id}, {"$set": {"last": ITEMS}})


class Machine:
    """Asks the processes in turn until one answers; dies now and then, between asking and being done."""

    def __init__(self, urls, number):
        self._urls = itertools.cycle(urls if number % 2 else urls[::-1])
        self._client = httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S)
        self.chance = random.Random(number)

    async def post(self, path, **options):
        while True:
            try:
                reply = await self._client.post(f"{next(self._urls)}{path}", **options)
            except httpx.TransportError:
                await asyncio.sleep(0.02)  # killed; the other one may be there
                continue
            if reply.status_code != 503:
                return reply

    async def close(self):
        await self._client.aclose()


async def all_machines(process, urls, work, done):
    """Have machines work until they find nothing more, while the process is killed and started again."""

    async def run(number):
        machine = Machine(urls, number)
        try:
            await work(machine, number)
        finally:
            await machine.close()

    async def kill():
        for part in KILLED_AT:
            await until(lambda part=part: len(done) >= part * ITEMS, within_s=longest_s)
            await process.kill()
            await process.start()

    longest_s = PATIENCE_S * max(1, ITEMS // 500)
    async with asyncio.timeout(longest_s), asyncio.TaskGroup() as group:
        group.create_task(kill())
        for number in range(MACHINES):
            group.create_task(run(number))


async def test_each_item_is_taken_once_and_in_order(apis):
    """A machine that does not know what became of its request, as after its own death, asks again with the same key."""
    world, process = apis
    await fill(world, "plain")
    taken = []
    by_machine = defaultdict(list)

    async def work(machine, number):
        for turn in itertools.count():
            path, key = "/pipe/queue/plain/dequeue", {"Idempotency-Key": f"machine-{number}/{turn}"}
            if machine.chance.random() < 0.05:  # it dies before it hears the answer, and is started again
                asking = asyncio.create_task(machine.post(path, headers=key))
                await asyncio.wait([asking], timeout=machine.chance.random() * 0.02)
                asking.cancel()
                await asyncio.wait([asking])
            reply = await machine.post(path, headers=key)
            if reply.status_code == 404:
                assert reply.text == "Queue is empty: plain"
                return
            assert reply.status_code == 200, reply.text
            by_machine[number].append(reply.json()["payload"])
            taken.append(reply.json()["payload"])

    await all_machines(process, [world.url, process.url], work, taken)
    assert sorted(taken) == list(range(1, ITEMS + 1))
    assert all(numbers == sorted(numbers) for numbers in by_machine.values())
    assert len(by_machine) == MACHINES


async def test_with_leases_nothing_is_lost_and_nothing_with_two_at_once(apis):
    world, process = apis
    await fill(world, "leased")
    done = set()
    deliveries = defaultdict(dict)

    async def work(machine, _number):
        while len(done) < ITEMS:
            reply = await machine.post(f"/pipe/queue/leased/dequeue?lease_s={LEASE_S}")
            if reply.status_code == 404:
                await asyncio.sleep(0.1)  # all are lent out: of those that died something comes back
                continue
            item = reply.json()
            number = item["payload"]
            deliveries[number][item["deliveries"]] = item["lease_until"]
            if machine.chance.random() < 0.05:
                continue  # it dies with the item in hand
            reply = await machine.post(
                "/pipe/queue/leased/acknowledge", json={"id": item["id"], "lease": item["lease"]}
            )
            if reply.status_code == 200:
                assert number not in done
                done.add(number)
            else:
                assert reply.status_code == 409, reply.text
                assert "ended at" in reply.text or "another" in reply.text

    await all_machines(process, [world.url, process.url], work, done)
    assert done == set(range(1, ITEMS + 1))
    repeated = [times for times in deliveries.values() if len(times) > 1]
    assert repeated
    for times in repeated:
        for earlier, later in itertools.pairwise(sorted(times)):
            # Both by the clock of the store: the later one began when the earlier one had ended.
            assert times[earlier] <= times[later] - LEASE_S * 1000
