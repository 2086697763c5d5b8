import asyncio
import errno
import hashlib
import os
import shutil
import tempfile

import pytest

from datalab.errors import OutageError, TransientError, UsageError
from datalab.events.operations import InputFile
from datalab.platform.objects.errors import ChecksumMismatchError, ObjectNotFoundError
from operation_runner.inputs.scratch import ScratchCache


class CountingStore:
    """An object store in memory that counts what is fetched; `gate` holds fetches back."""

    def __init__(self):
        self.objects = {}
        self.fetched = []
        self.errors = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()

    def add(self, name, content):
        self.objects[f"data/{name}"] = content
        sha256 = hashlib.sha256(content).hexdigest()
        return InputFile(source="archive", basename=name, key=f"data/{name}", sha256=sha256, size_bytes=len(content))

    async def fetch_file(self, key, path, *, expected_sha256, max_bytes):
        self.fetched.append(key)
        self.waiting.set()
        await self.gate.wait()
        if key in self.errors:
            raise self.errors.pop(key)
        if key not in self.objects:
            raise ObjectNotFoundError(f"no object {key}")
        if hashlib.sha256(self.objects[key]).hexdigest() != expected_sha256:
            raise ChecksumMismatchError(f"object {key} has another SHA-256")
        assert len(self.objects[key]) <= max_bytes
        path.write_bytes(self.objects[key])


@pytest.fixture
def store():
    return CountingStore()


@pytest.fixture
async def cache(tmp_path, store):
    cache = ScratchCache(folder=tmp_path / "scratch", limit_bytes=100, store=store)
    await cache.start()
    yield cache
    await cache.stop()


def kept(cache):
    return {path.name for path in cache._inputs.iterdir()}


async def use(cache, *files):
    async with cache.pinned(files) as paths:
        return {name: path.read_bytes() for (_, name), path in paths.items()}


async def test_a_file_is_fetched_once(cache, store):
    a = store.add("a", b"a" * 10)
    assert await use(cache, a) == {"a": b"a" * 10}
    assert await use(cache, a) == {"a": b"a" * 10}
    assert store.fetched == ["data/a"]
    assert cache.used_bytes == 10


async def test_the_same_content_under_two_names_is_one_file(cache, store):
    a, b = store.add("a", b"same"), store.add("b", b"same")
    assert await use(cache, a, b) == {"a": b"same", "b": b"same"}
    assert len(store.fetched) == 1
    assert cache.used_bytes == 4


async def test_the_least_recently_used_goes_first(cache, store):
    a, b, c = (store.add(name, name.encode() * 40) for name in "abc")
    await use(cache, a)
    await use(cache, b)
    await use(cache, a)
    await use(cache, c)
    assert kept(cache) == {a.sha256, c.sha256}
    assert cache.used_bytes == 80


async def test_what_is_in_use_stays_beyond_the_limit_and_goes_afterwards(cache, store):
    a, b, c = (store.add(name, name.encode() * 60) for name in "abc")
    async with cache.pinned([a, b]) as paths:
        await use(cache, c)
        assert all(path.exists() for path in paths.values())
        assert cache.used_bytes == 120
    assert cache.used_bytes == 60


async def test_a_disk_that_fills_up_is_given_room(cache, store, monkeypatch):
    a, b, c = (store.add(name, name.encode() * 20) for name in "abc")
    await use(cache, a)
    await use(cache, b)

    usage_of = type(shutil.disk_usage("/"))

    def usage(folder):
        used = sum(path.stat().st_size for path in folder.iterdir())
        return usage_of(total=50, used=used, free=50 - used)

    with monkeypatch.context() as small:
        small.setattr(shutil, "disk_usage", usage)
        await use(cache, c)
    assert kept(cache) == {b.sha256, c.sha256}


async def test_no_folder_to_compute_in_is_the_worlds_fault(cache, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(OutageError, match="no space left on the disk"):
        async with cache.work_dir():
            pass


async def test_a_file_larger_than_the_limit_is_used_and_not_kept(cache, store):
    huge = store.add("huge", b"h" * 500)
    assert await use(cache, huge) == {"huge": b"h" * 500}
    assert kept(cache) == set()
    assert cache.used_bytes == 0


async def test_two_operations_that_want_the_same_file_share_one_fetch(cache, store):
    a = store.add("a", b"a" * 10)
    store.gate.clear()
    both = [asyncio.create_task(use(cache, a)) for _ in range(5)]
    await store.waiting.wait()
    store.gate.set()
    assert await asyncio.gather(*both) == [{"a": b"a" * 10}] * 5
    assert store.fetched == ["data/a"]


async def test_after_a_failed_fetch_whoever_waits_tries_again(cache, store):
    a = store.add("a", b"a" * 10)
    store.gate.clear()
    store.errors["data/a"] = TransientError("away")
    first = asyncio.create_task(use(cache, a))
    await store.waiting.wait()
    second = asyncio.create_task(use(cache, a))
    await asyncio.sleep(0)
    store.gate.set()
    with pytest.raises(TransientError, match="away"):
        await first
    store.errors.clear()
    assert await second == {"a": b"a" * 10}


async def test_a_file_that_is_not_what_was_requested_is_named_and_not_kept(cache, store):
    a = store.add("a", b"a" * 10)
    store.objects["data/a"] = b"b" * 10
    with pytest.raises(UsageError, match="The input file a has changed since it was recorded"):
        await use(cache, a)
    assert kept(cache) == set()
    assert cache.used_bytes == 0


async def test_a_file_that_is_gone_is_named(cache, store):
    a = store.add("a", b"a" * 10)
    del store.objects["data/a"]
    with pytest.raises(UsageError, match="The input file a is no longer stored"):
        await use(cache, a)
    assert cache.used_bytes == 0


async def test_one_of_several_that_fails_leaves_no_pins(cache, store):
    files = [store.add(name, name.encode() * 30) for name in "abcd"]
    store.errors["data/c"] = TransientError("away")
    with pytest.raises(TransientError, match="away"):
        await use(cache, *files)
    store.errors.clear()
    assert await use(cache, *files[:3]) == {name: name.encode() * 30 for name in "abc"}
    await use(cache, store.add("x", b"x" * 100))
    assert cache.used_bytes == 100  # nothing was pinned any more, so everything else went


async def test_cancelling_a_fetch_leaves_no_pins(cache, store):
    a = store.add("a", b"a" * 10)
    store.gate.clear()
    task = asyncio.create_task(use(cache, a))
    await store.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cache.used_bytes == 0


async def test_files_of_an_earlier_run_are_taken_over_and_leftovers_go(tmp_path, cache, store):
    a, b, c = (store.add(name, name.encode() * 40) for name in "abc")
    for age, file in enumerate((c, b, a)):
        await use(cache, file)
        if (cache._inputs / file.sha256).exists():
            os.utime(cache._inputs / file.sha256, (1000 + age, 1000 + age))
    async with cache.work_dir() as work_dir:
        (work_dir / "half").write_text("x")
        (cache._inputs / ".1234.part").write_bytes(b"half a file")
        await cache.stop()
        again = ScratchCache(folder=tmp_path / "scratch", limit_bytes=50, store=store)
        await again.start()
    assert kept(again) == {a.sha256}
    assert again.used_bytes == 40
    assert list(again._work.iterdir()) == []
    store.fetched.clear()
    await use(again, a)
    assert store.fetched == []
    await again.stop()


async def test_a_file_of_the_wrong_size_is_fetched_again(cache, store):
    a = store.add("a", b"a" * 10)
    await use(cache, a)
    (cache._inputs / a.sha256).write_bytes(b"a" * 3)
    assert await use(cache, a) == {"a": b"a" * 10}
    assert len(store.fetched) == 2


async def test_a_file_damaged_between_two_runs_is_fetched_again(tmp_path, cache, store):
    a, b = store.add("a", b"a" * 10), store.add("b", b"b" * 10)
    await use(cache, a, b)
    await cache.stop()
    (cache._inputs / a.sha256).write_bytes(bytes(10))  # as after a loss of power
    store.fetched.clear()
    again = ScratchCache(folder=tmp_path / "scratch", limit_bytes=100, store=store)
    await again.start()
    for _ in range(2):
        assert await use(again, a, b) == {"a": b"a" * 10, "b": b"b" * 10}
    assert store.fetched == ["data/a"]
    await again.stop()


async def test_a_work_folder_is_empty_and_goes_with_all_it_holds(cache):
    async with cache.work_dir() as first, cache.work_dir() as second:
        assert first != second
        assert list(first.iterdir()) == []
        (first / "deep").mkdir()
        (first / "deep" / "file").write_text("x")
    assert not first.exists()
    assert not second.exists()


async def test_the_folder_belongs_to_one_runner(tmp_path, store, cache):
    other = ScratchCache(folder=tmp_path / "scratch", limit_bytes=100, store=store)
    with pytest.raises(UsageError, match="another runner works in"):
        await other.start()
    await cache.stop()
    await other.start()
    await other.stop()
