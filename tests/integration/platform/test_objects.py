"""The object store against a real S3 server."""

import asyncio
import hashlib
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from datalab.errors import DatalabError, TransientError
from datalab.platform.objects.bucket import PART_BYTES
from datalab.platform.objects.errors import ChecksumMismatchError, ObjectNotFoundError, ObjectTooLargeError
from datalab.platform.objects.lifecycle import keep_rules
from datalab.platform.objects.links import Links
from datalab.platform.objects.store import PAGE_KEYS, ObjectStore
from support.servers import delete_bucket
from support.waiting import until

TEXT = "text/plain"
BINARY = "application/octet-stream"


@pytest.fixture(scope="module")
async def settings(s3_server):
    await s3_server.ensure_up()
    with unused_bucket(s3_server.settings) as settings:
        yield settings


@contextmanager
def unused_bucket(settings):
    name = f"objects-{uuid4().hex[:12]}"
    yield settings.model_copy(update={"s3_bucket": name})
    delete_bucket(settings, name)


@pytest.fixture(scope="module")
async def store(settings):
    async with ObjectStore(settings) as store:
        await store.ensure_bucket()
        yield store


@pytest.fixture
def prefix():
    """A part of the bucket that no other test sees."""
    return f"{uuid4().hex}/"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


async def test_a_store_without_rules_is_found_out_without_harm(store, prefix):
    keys = [f"{prefix}a", "info-images/a", "test/a"]
    for key in keys:
        await store.put_bytes(key, b"x", content_type=TEXT)
    for _ in range(2):
        assert await store.apply_rules(keep_rules(cold_class="COLD", cold_after_days=30)) is None
    for key in keys:
        assert await store.get_bytes(key, max_bytes=10) == b"x"
        await store.delete(key)


async def test_a_bucket_is_made_once_whoever_asks(settings):
    with unused_bucket(settings) as missing:
        async with ObjectStore(missing) as store:
            with pytest.raises(TransientError, match="does not exist"):
                await store.check()
            await asyncio.gather(*(store.ensure_bucket() for _ in range(4)))
            await store.ensure_bucket()
            await store.check()


async def test_what_happens_without_the_bucket_is_not_the_callers_mistake(settings, tmp_path):
    async with ObjectStore(settings.model_copy(update={"s3_bucket": "never-made"})) as store:
        for call in (
            store.put_bytes("a", b"x", content_type=TEXT),
            store.get_bytes("a", max_bytes=9),
            store.fetch_file("a", tmp_path / "a"),
            anext(store.list("")),
        ):
            with pytest.raises(TransientError, match="NoSuchBucket"):
                await call


async def test_refused_credentials_are_not_the_callers_mistake(settings):
    wrong = settings.model_copy(update={"s3_secret_key": SecretStr("not-the-secret")})
    async with ObjectStore(wrong) as store:
        for call in (store.check(), store.get_bytes("a", max_bytes=9), store.put_bytes("a", b"x", content_type=TEXT)):
            with pytest.raises(TransientError) as refusal:
                await call
            assert "not-the-secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "key", ["a", "deep/er/b.fits.fz", "with space+plus%20&=?#.jpg", "naïve/日本-☉.txt", "'\"<>|*:;,()[]", "n" * 255]
)
@pytest.mark.parametrize("data", [b"", b"hello"])
async def test_bytes_come_back_under_any_key(store, prefix, key, data):
    await store.put_bytes(prefix + key, data, content_type=TEXT)
    assert await store.get_bytes(prefix + key, max_bytes=5) == data
    assert [found.key async for found in store.list(prefix)] == [prefix + key]


async def test_a_stored_object_is_described(store, prefix):
    before = datetime.now(UTC) - timedelta(seconds=2)  # the server's clock shows whole seconds
    await store.put_bytes(f"{prefix}a", b"hello", content_type=TEXT)
    described = await store.stat(f"{prefix}a")
    assert (described.key, described.size_bytes, described.sha256) == (f"{prefix}a", 5, None)
    assert described.etag == hashlib.md5(b"hello").hexdigest()
    assert before <= described.modified_at <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1])
async def test_a_file_makes_the_round_trip(store, prefix, tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(251)) * (size // 251) + b"x" * (size % 251))
    data = source.read_bytes()
    put = await store.put_file(f"{prefix}file", source, content_type=BINARY)
    assert (put.size_bytes, put.sha256) == (size, sha256(data))
    fetched = await store.fetch_file(f"{prefix}file", target, expected_sha256=put.sha256.upper(), max_bytes=size)
    assert (fetched.size_bytes, fetched.sha256) == (size, put.sha256)
    assert abs(fetched.modified_at - put.modified_at) < timedelta(seconds=1)
    assert target.read_bytes() == data
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}


async def test_storing_again_replaces(store, prefix):
    await store.put_bytes(f"{prefix}a", b"longer than before", content_type=TEXT)
    await store.put_bytes(f"{prefix}a", b"new", content_type=TEXT)
    assert await store.get_bytes(f"{prefix}a", max_bytes=100) == b"new"


async def test_what_is_not_there_is_not_found(store, prefix, tmp_path):
    for call in (
        store.get_bytes(f"{prefix}a", max_bytes=9),
        store.fetch_file(f"{prefix}a", tmp_path / "a"),
    ):
        with pytest.raises(ObjectNotFoundError, match=prefix):
            await call
    assert await store.stat(f"{prefix}a") is None
    assert await store.stat(f"{prefix}a") is None
    assert list(tmp_path.iterdir()) == []


async def test_a_small_object_is_described_and_read_at_once(store, prefix):
    await store.put_bytes(f"{prefix}a", b"12345", content_type=TEXT)
    described = await store.stat(f"{prefix}a")
    assert await store.look(f"{prefix}a", most_bytes=5) == (replace(described, sha256=sha256(b"12345")), b"12345")
    assert await store.look(f"{prefix}a", most_bytes=4) == (described, None)
    assert await store.look(f"{prefix}b", most_bytes=5) is None


async def test_deleting_is_idempotent(store, prefix):
    await store.put_bytes(f"{prefix}a", b"x", content_type=TEXT)
    await store.delete(f"{prefix}a")
    await store.delete(f"{prefix}a")
    assert await store.stat(f"{prefix}a") is None


async def test_a_folder_is_no_object(store, prefix):
    await store.put_bytes(f"{prefix}folder/a", b"x", content_type=TEXT)
    assert await store.stat(f"{prefix}folder") is None
    with pytest.raises(DatalabError):  # MinIO says why, rclone fails: neither may keep it
        await store.put_bytes(f"{prefix}folder", b"y", content_type=TEXT)
    # rclone's folder cache hides what is in the folder for up to a second after such an attempt.
    await until(lambda: store.stat(f"{prefix}folder/a"))
    assert await store.get_bytes(f"{prefix}folder/a", max_bytes=1) == b"x"


async def test_limits_are_inclusive(store, prefix, tmp_path):
    await store.put_bytes(f"{prefix}a", b"12345", content_type=TEXT)
    assert await store.get_bytes(f"{prefix}a", max_bytes=5) == b"12345"
    await store.fetch_file(f"{prefix}a", tmp_path / "a", max_bytes=5)
    with pytest.raises(ObjectTooLargeError):
        await store.get_bytes(f"{prefix}a", max_bytes=4)
    with pytest.raises(ObjectTooLargeError):
        await store.fetch_file(f"{prefix}a", tmp_path / "b", max_bytes=4)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


async def test_damage_is_noticed_and_the_older_file_stays(store, prefix, tmp_path):
    target = tmp_path / "a"
    target.write_text("older")
    await store.put_bytes(f"{prefix}a", b"damaged", content_type=TEXT)
    with pytest.raises(ChecksumMismatchError):
        await store.fetch_file(f"{prefix}a", target, expected_sha256=sha256(b"sound"))
    assert target.read_text() == "older"
    assert list(tmp_path.iterdir()) == [target]


async def test_fetching_into_a_missing_folder_is_a_bug_and_says_so(store, prefix, tmp_path):
    await store.put_bytes(f"{prefix}a", b"x", content_type=TEXT)
    with pytest.raises(FileNotFoundError):
        await store.fetch_file(f"{prefix}a", tmp_path / "missing" / "a")


async def test_listing_is_sorted_and_complete(store, prefix):
    keys = [f"{prefix}{number:05}" for number in range(PAGE_KEYS + 5)]
    await asyncio.gather(*(store.put_bytes(key, b"", content_type=TEXT) for key in reversed(keys)))
    assert [found.key async for found in store.list(prefix)] == keys
    assert [found.key async for found in store.list(f"{prefix}0100")] == keys[1000:1005]
    assert [found.key async for found in store.list(f"{prefix}absent/")] == []


async def test_listing_order_is_that_of_the_whole_key(store, prefix):
    for key in ("b/2", "a", "b-c", "b.d", "b/1", "c"):
        await store.put_bytes(prefix + key, b"", content_type=TEXT)
    found = [item.key async for item in store.list(prefix)]
    assert all(earlier < later for earlier, later in pairwise(found)), found


async def test_a_listing_can_be_left_early(store, prefix):
    for name in "ab":
        await store.put_bytes(prefix + name, b"", content_type=TEXT)
    listing = store.list(prefix)
    assert (await anext(listing)).key == f"{prefix}a"
    await listing.aclose()


async def test_a_link_downloads_with_the_type_and_name_asked_for(store, settings, prefix):
    await store.put_bytes(f"{prefix}a b.fits", b"SIMPLE", content_type=TEXT)
    link = Links(settings).sign_get(f"{prefix}a b.fits", content_type="image/fits", filename="née.fits")
    async with httpx.AsyncClient() as client:
        reply = await client.get(link)
        tampered = await client.get(link.replace("image%2Ffits", "text%2Fhtml"))
        unsigned = await client.get(link.partition("?")[0])
    assert (reply.status_code, reply.content) == (200, b"SIMPLE")
    assert reply.headers["content-type"] == "image/fits"
    assert reply.headers["content-disposition"] == "attachment; filename=\"n_e.fits\"; filename*=UTF-8''n%C3%A9e.fits"
    assert tampered.status_code == 403
    assert unsigned.status_code in {400, 403}  # rclone, MinIO


SIGNING = """
from datalab.platform.objects.links import Links
from datalab.platform.settings import S3Settings

print(Links(S3Settings()).sign_get("a/b.fits", content_type="image/fits", filename="b.fits"))
"""


async def signed_elsewhere(settings):
    """Return a link that another process signs, which has begun just now."""
    environment = {**os.environ, "PYTHONHASHSEED": "random"}
    for name, value in settings.model_dump().items():
        if name.startswith("s3_") and value is not None:
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            environment[f"DATALAB_{name.upper()}"] = str(plain)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SIGNING, env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def test_every_process_signs_the_same_link_and_so_does_one_that_is_started_again(settings):
    async def both():
        return {await signed_elsewhere(settings), await signed_elsewhere(settings)}

    signed = await both()
    if len(signed) > 1:  # a slot of hours has just ended
        signed = await both()
    assert len(signed) == 1
    assert signed == {Links(settings).sign_get("a/b.fits", content_type="image/fits", filename="b.fits")}


async def test_a_link_works_as_long_as_it_says_and_no_longer(store, settings, prefix):
    await store.put_bytes(f"{prefix}a", b"SIMPLE", content_type=TEXT)

    def signed(life_s, *, age_s):
        life = settings.model_copy(update={"s3_link_ttl_s": life_s})
        return Links(life, clock=lambda: time.time() - age_s).sign_get(f"{prefix}a")

    async with httpx.AsyncClient() as client:
        # The oldest link of a slot, at its end: a tenth of its life is gone, nine tenths are left.
        assert (await client.get(signed(1000, age_s=99))).status_code == 200
        assert (await client.get(signed(1000, age_s=880))).status_code == 200
        expired = await client.get(signed(1000, age_s=1001))
    assert expired.status_code in {400, 403}  # rclone, MinIO


async def test_readers_of_a_file_being_replaced_see_one_version_or_the_other(store, prefix):
    versions = [letter * 300_000 for letter in (b"a", b"b")]
    await store.put_bytes(f"{prefix}a", versions[0], content_type=BINARY)

    async def write():
        for number in range(10):
            await store.put_bytes(f"{prefix}a", versions[number % 2], content_type=BINARY)

    async def read():
        return await store.get_bytes(f"{prefix}a", max_bytes=300_000)

    _, *read_versions = await asyncio.gather(write(), *(read() for _ in range(20)))
    assert set(read_versions) <= set(versions)


async def test_the_store_outlives_a_killed_server(store, s3_server, prefix):
    await store.put_bytes(f"{prefix}a", b"on disk", content_type=TEXT)
    await s3_server.kill()
    try:
        with pytest.raises(TransientError):
            await store.get_bytes(f"{prefix}a", max_bytes=100)
        with pytest.raises(TransientError):
            await store.check()
    finally:
        await s3_server.restart()
    await store.check()
    assert await store.get_bytes(f"{prefix}a", max_bytes=100) == b"on disk"


async def test_a_part_of_an_object(store, prefix):
    data = os.urandom(300_000)
    await store.put_bytes(f"{prefix}a", data, content_type=BINARY)
    etag = (await store.stat(f"{prefix}a")).etag
    for offset, length in ((0, 1), (100, 5000), (299_999, 1), (0, 300_000)):
        for tag in ("", etag):
            part = await store.get_range(f"{prefix}a", offset=offset, length=length, etag=tag)
            assert part == data[offset : offset + length]
    with pytest.raises(ChecksumMismatchError):
        await store.get_range(f"{prefix}a", offset=0, length=5, etag="another")
    with pytest.raises(ObjectNotFoundError):
        await store.get_range(f"{prefix}none", offset=0, length=5)
    with pytest.raises(TransientError):
        await store.get_range(f"{prefix}a", offset=299_999, length=5)


async def test_an_object_piece_by_piece(store, prefix):
    data = os.urandom(3 * 1024**2 + 17)
    await store.put_bytes(f"{prefix}a", data, content_type=BINARY)
    pieces = [piece async for piece in store.stream(f"{prefix}a")]
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1024**2
    reading = store.stream(f"{prefix}a")
    assert await anext(reading)
    await reading.aclose()  # half-way
    with pytest.raises(ObjectNotFoundError):
        await anext(store.stream(f"{prefix}none"))


async def test_a_checksum_of_what_nobody_recorded(store, prefix):
    data = os.urandom(2 * 1024**2)
    await store.put_bytes(f"{prefix}a", data, content_type=BINARY)
    found = await store.checksum(f"{prefix}a")
    assert (found.sha256, found.size_bytes) == (sha256(data), len(data))
    assert found.etag == (await store.stat(f"{prefix}a")).etag
    with pytest.raises(ObjectNotFoundError):
        await store.checksum(f"{prefix}none")
