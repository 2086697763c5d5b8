"""Files that are made once, by one runner, and to their end."""

import asyncio
from datetime import timedelta

import pytest

from datalab.errors import TransientError, UsageError
from datalab.events.envelope import utc_now
from datalab.platform.objects.bucket import StoredObject
from operation_runner.downloads.files import ObjectFiles
from operation_runner.downloads.making import Making, UnfinishedError
from support.waiting import until

KEY = "downloads/a"


class Lease:
    def __init__(self, leases, key):
        self.note = ""
        self._leases, self._key = leases, key

    async def renew(self):
        self._leases.renewed += 1
        self._leases.notes[self._key] = self.note

    async def release(self):
        self._leases.notes.pop(self._key, None)


class Leases:
    """Those of several runners."""

    renew_every_s = 0.01

    def __init__(self):
        self.notes: dict[str, str] = {}
        self.renewed = 0

    async def take(self, key):
        if key in self.notes:
            return None
        self.notes[key] = ""
        return Lease(self, key)

    async def note(self, key):
        return self.notes.get(key, "")


class Files:
    def __init__(self):
        self.kept: set[str] = set()

    async def has(self, key):
        return key in self.kept


class Work:
    """Makes a file when it is let."""

    def __init__(self, files):
        self.files = files
        self.times = 0
        self.goes_on = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, progress):
        self.times += 1
        progress(0.4)
        await self.goes_on.wait()
        if self.error:
            raise self.error
        self.files.kept.add(KEY)


class Lab:
    def __init__(self):
        self.files, self.leases = Files(), Leases()
        self.work = Work(self.files)
        self.runners = [Making(files=self.files, leases=self.leases) for _ in range(2)]

    async def ask(self, runner=0, *, within_s=60.0):
        until_s = asyncio.get_running_loop().time() + within_s
        await self.runners[runner].made(KEY, self.work, until=until_s)


@pytest.fixture
async def lab():
    lab = Lab()
    yield lab
    for runner in lab.runners:
        await runner.stop()


async def test_what_is_there_is_not_made(lab):
    lab.files.kept.add(KEY)
    await lab.ask()
    assert lab.work.times == 0


async def test_many_who_ask_at_once_share_one_work_here_and_elsewhere(lab):
    asking = [asyncio.create_task(lab.ask(number % 2)) for number in range(10)]
    await until(lambda: lab.work.times)
    lab.work.goes_on.set()
    await asyncio.gather(*asking)
    assert lab.work.times == 1
    assert lab.leases.notes == {}  # given back


async def test_who_cannot_wait_is_told_how_far_it_is_and_finds_it_later(lab):
    with pytest.raises(UnfinishedError, match="still being made"):
        await lab.ask(within_s=0.05)
    await until(lambda: lab.leases.notes[KEY] == "40%")
    for runner in (0, 1):
        with pytest.raises(UnfinishedError, match=r"still being made \(40% done\)"):
            await lab.ask(runner, within_s=0.01)
    lab.work.goes_on.set()
    await lab.ask(1)
    assert lab.work.times == 1


@pytest.mark.parametrize("error", [UsageError("no image"), TransientError("away")])
async def test_what_fails_is_told_to_all_and_tried_again_by_who_asks_again(lab, error):
    lab.work.error = error
    asking = [asyncio.create_task(lab.ask()) for _ in range(3)]
    await until(lambda: lab.work.times)
    lab.work.goes_on.set()
    for failed in await asyncio.gather(*asking, return_exceptions=True):
        assert failed is error
    lab.work.error = None
    await lab.ask(1)
    assert lab.work.times == 2


async def test_a_failure_nobody_waits_for_is_forgotten(lab):
    lab.work.error = UsageError("no image")
    with pytest.raises(UnfinishedError):
        await lab.ask(within_s=0.01)
    lab.work.goes_on.set()
    await until(lambda: not lab.leases.notes)
    with pytest.raises(UsageError, match="no image"):
        await lab.ask()


async def test_another_runner_takes_over_when_a_lease_is_gone(lab):
    with pytest.raises(UnfinishedError):
        await lab.ask(within_s=0.01)
    waiting = asyncio.create_task(lab.ask(1))
    await asyncio.sleep(0)
    await lab.runners[0].stop()  # gives the lease back, as its end by force does after a while
    lab.work.goes_on.set()
    await waiting
    assert lab.work.times == 2


async def test_stopping_gives_up_what_is_made(lab):
    before = asyncio.all_tasks()
    with pytest.raises(UnfinishedError):
        await lab.ask(within_s=0.01)
    await lab.runners[0].stop()
    assert asyncio.all_tasks() <= before
    assert (lab.leases.notes, lab.files.kept) == ({}, set())


@pytest.mark.parametrize(("hours", "there"), [(0, True), (23, True), (25, False)])
async def test_what_may_go_soon_is_made_anew(hours, there):
    """A link that was just given must not lead nowhere because its file is about to go."""

    class Store:
        async def stat(self, key):
            modified_at = utc_now() - timedelta(hours=hours)
            return StoredObject(key=key, size_bytes=1, etag="", sha256=None, modified_at=modified_at)

    assert await ObjectFiles(Store()).has(KEY) is there
