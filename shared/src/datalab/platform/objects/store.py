"""The object store: the driver's calls block, and therefore run in a bounded thread pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from urllib3 import PoolManager, Retry, Timeout

from datalab.platform.objects.bucket import Bucket, StoredObject
from datalab.platform.objects.errors import ObjectNotFoundError, known_failures
from datalab.platform.objects.incoming import Incoming, Received
from datalab.platform.objects.keys import valid_key
from datalab.platform.objects.lifecycle import KeepRule
from datalab.platform.settings import S3Settings

T = TypeVar("T")
P = ParamSpec("P")

PAGE_KEYS = 1000  # most keys S3 puts in one listing reply

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0  # silence, not duration; completing a multipart upload is the longest the servers stay silent
PROBE_TIMEOUT_S = 1.5  # below the 2 s a readiness check is given, so that the reason is ours

_RETRIED_STATUS = (500, 502, 503, 504)


class ObjectStore:
    """One bucket of an S3 server.

    Every method raises `UsageError` for a key no server takes and `TransientError` when the store is away, slow,
    refuses our credentials or has lost the bucket. A cancelled call returns at once; its thread gives up at the next
    chunk and tidies up behind itself.
    """

    def __init__(
        self,
        settings: S3Settings,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        retries: int = 2,
    ) -> None:
        # A restarted server drops pooled connections, which shows as a read error: hence one retry of those.
        retry = Retry(
            total=retries,
            read=min(retries, 1),
            backoff_factor=0.2,
            status_forcelist=_RETRIED_STATUS,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        pool = PoolManager(
            maxsize=settings.s3_threads, retries=retry, timeout=Timeout(connect=connect_timeout_s, read=read_timeout_s)
        )
        # Readiness has its own connection and thread: it must answer while every worker waits for a hanging server.
        probe_pool = PoolManager(maxsize=1, retries=False, timeout=Timeout(PROBE_TIMEOUT_S))
        self._pools = (pool, probe_pool)
        self._name = settings.s3_bucket
        self._bucket = Bucket(settings, pool)
        self._probe = Bucket(settings, probe_pool)
        self._workers = ThreadPoolExecutor(settings.s3_threads, thread_name_prefix="s3")
        self._probe_worker = ThreadPoolExecutor(1, thread_name_prefix="s3-probe")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let calls under way end, drop waiting ones, close the connections."""
        for executor in (self._workers, self._probe_worker):
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)
        for pool in self._pools:
            pool.clear()

    async def check(self) -> None:
        """Raise `TransientError` unless the store answers a signed request and has the bucket."""
        await _in_thread(self._probe_worker, self._name, self._probe.check)

    async def ensure_bucket(self) -> None:
        """Make the bucket unless it exists."""
        await _in_thread(self._workers, self._name, self._bucket.make_unless_there)

    async def apply_rules(self, rules: Sequence[KeepRule]) -> bool | None:
        """Have the store delete and move objects by rules; return whether it does so newly, None if it knows none."""
        return await _in_thread(self._workers, self._name, partial(self._bucket.apply_rules, rules))

    async def put_bytes(self, key: str, data: bytes, *, content_type: str) -> str:
        """Store `data` under `key`; return its ETag. Once this returns the object is on disk."""
        return await self._call(self._bucket.put_bytes, key, data, content_type)

    async def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Stream the file to `key`, in parts if it is larger than 16 MiB, and return it as the store now has it.

        Raises:
            TransientError: also when the store kept another number of bytes than were sent.
        """
        with _abandoned_at_the_end() as abandoned:
            return await self._call(self._bucket.put_file, key, path, content_type, abandoned)

    async def put_stream(
        self,
        key: str,
        content: AsyncIterator[bytes],
        *,
        content_type: str,
        before_it_counts: Callable[[Received], Awaitable[None]],
    ) -> StoredObject:
        """Store what `content` yields under `key`, in parts of 8 MiB, and return it as the store now has it.

        When all has come and before the object appears, `before_it_counts` is called with its size and checksums;
        whatever it raises, or `content` does, leaves what was there before.

        Raises:
            TransientError: also when the store kept another number of bytes than were sent.
        """
        with _abandoned_at_the_end() as abandoned:
            incoming = Incoming(content, before_it_counts=before_it_counts, abandoned=abandoned)
            return await self._call(self._bucket.put_stream, key, incoming, content_type)

    async def copy(self, source: str, target: str) -> None:
        """Store a copy of an object, made by the server. Raises `ObjectNotFoundError` if there is no such object."""
        await self._call(self._bucket.copy, source, valid_key(target))

    async def takes_form(self, fields: Mapping[str, str]) -> bool:
        """Tell whether the store takes a signed form, with a few bytes as its file: some know no such request."""
        return await self._call(self._bucket.takes_form, fields["key"], fields)

    async def get_bytes(self, key: str, *, max_bytes: int) -> bytes:
        """Return the whole object.

        Raises:
            ObjectNotFoundError: no such object.
            ObjectTooLargeError: it has more than `max_bytes`; nothing beyond them is read.
        """
        return await self._call(self._bucket.get_bytes, key, max_bytes)

    async def look(self, key: str, *, most_bytes: int) -> tuple[StoredObject, bytes | None] | None:
        """Return the object's description, and all of it if it has no more bytes; None if there is no such object.

        It is one request. The description has the checksum of what was read.
        """
        try:
            return await self._call(self._bucket.look, key, most_bytes)
        except ObjectNotFoundError:
            return None

    async def get_range(self, key: str, *, offset: int, length: int, etag: str = "") -> bytes:
        """Return a part of an object, at least one byte.

        Raises:
            ObjectNotFoundError: no such object.
            ChecksumMismatchError: its tag is not `etag`, if one is given: it is another object than was recorded.
            TransientError: also when the object ends before the part does.
        """
        return await self._call(self._bucket.get_range, key, offset, length, etag)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield what is in an object, 1 MiB at a time. Raises `ObjectNotFoundError`."""
        chunks = self._bucket.chunks(valid_key(key))
        try:
            while chunk := await _in_thread(self._workers, key, lambda: next(chunks, b"")):
                yield chunk
        finally:
            with suppress(ValueError):  # cancelled while a thread reads, which lets go of the object by itself
                chunks.close()

    async def checksum(self, key: str) -> StoredObject:
        """Return an object's description with its SHA-256: all of it is read. Raises `ObjectNotFoundError`."""
        with _abandoned_at_the_end() as abandoned:
            return await self._call(self._bucket.checksum, key, abandoned)

    async def fetch_file(
        self, key: str, path: Path, *, expected_sha256: str | None = None, max_bytes: int | None = None
    ) -> StoredObject:
        """Stream the object to `path`, which appears complete and verified, or not at all.

        The bytes are collected beside `path` in `.<random>.part`; only a killed process leaves such a file.

        Raises:
            ObjectNotFoundError: no such object.
            ObjectTooLargeError: it has more than `max_bytes`.
            ChecksumMismatchError: its SHA-256 is not `expected_sha256` (hexadecimal).
            TransientError: also when the local disk is full.
        """
        with _abandoned_at_the_end() as abandoned:
            return await self._call(self._bucket.fetch_file, key, path, expected_sha256, max_bytes, abandoned)

    async def stat(self, key: str) -> StoredObject | None:
        """Return the object's description, or None if there is no such object."""
        try:
            return await self._call(self._bucket.describe, key)
        except ObjectNotFoundError:
            return None

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yield the objects whose key starts with `prefix` (may be empty, may end in `/`), in the order of the keys.

        One page of keys is held at a time.
        """
        if prefix:
            valid_key(prefix.removesuffix("/"))
        found = self._bucket.list(prefix)
        while page := await _in_thread(self._workers, prefix, lambda: tuple(islice(found, PAGE_KEYS))):
            for stored in page:
                yield stored

    async def delete(self, key: str) -> None:
        """Remove the object; one that does not exist is removed already."""
        with suppress(ObjectNotFoundError):
            await self._call(self._bucket.delete, key)

    async def _call(self, call: Callable[Concatenate[str, P], T], key: str, *args: P.args, **kwargs: P.kwargs) -> T:
        return await _in_thread(self._workers, valid_key(key), partial(call, key, *args, **kwargs))


@contextmanager
def _abandoned_at_the_end() -> Iterator[threading.Event]:
    """Yield an event that is set when nobody waits any more, also because the task was cancelled."""
    abandoned = threading.Event()
    try:
        yield abandoned
    finally:
        abandoned.set()


async def _in_thread(executor: ThreadPoolExecutor, subject: str, call: Callable[[], T]) -> T:
    """Make one of the driver's calls; `subject` is the key or bucket that failures are said of."""

    def translated() -> T:
        with known_failures(subject):
            return call()

    return await asyncio.get_running_loop().run_in_executor(executor, translated)
