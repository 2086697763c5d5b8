"""The object store. The only module that imports minio, whose calls block and therefore run in a bounded thread pool.

Deliberately absent: tags, retention, legal hold, ACL, bucket policy, versioning and user metadata. The embedded server
(rclone 1.75) takes a tag or ACL request for the object itself and overwrites or deletes the data; metadata it forgets.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar, cast
from urllib.parse import quote, urlsplit
from uuid import uuid4

from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout

from datalab.errors import TransientError, UsageError
from datalab.platform.objects.errors import (
    ChecksumMismatchError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    _known_failures,
)
from datalab.platform.objects.keys import valid_key
from datalab.platform.settings import S3Settings

T = TypeVar("T")


PART_BYTES = 16 * 1024**2  # memory of one upload; with S3's 10,000 parts it allows objects of 160 GiB
CHUNK_BYTES = 1024**2  # one read; large enough that hashing (releases the GIL) dominates
PAGE_KEYS = 1000  # most keys S3 puts in one listing reply

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0  # silence, not duration; completing a multipart upload is the longest the servers stay silent
PROBE_TIMEOUT_S = 1.5  # below the 2 s a readiness check is given, so that the reason is ours

_RETRIED_STATUS = (500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object as the store describes it.

    `sha256` (lower-case hexadecimal) is known only where the bytes passed through this process; `etag` is empty where
    the server computes none in a listing.
    """

    key: str
    size_bytes: int
    etag: str
    sha256: str | None
    modified_at: datetime


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
        self._bucket = settings.s3_bucket
        self._link_ttl_s = settings.s3_link_ttl_s
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
        self._client = _client(settings, settings.s3_url, pool)
        self._probe = _client(settings, settings.s3_url, probe_pool)
        self._signer = _client(settings, settings.s3_public_url or settings.s3_url, pool)
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
        exists = await _in_thread(self._probe_worker, self._bucket, lambda: self._probe.bucket_exists(self._bucket))
        if not exists:
            raise TransientError(f"bucket {self._bucket!r} does not exist")

    async def ensure_bucket(self) -> None:
        """Make the bucket unless it exists."""
        await _in_thread(self._workers, self._bucket, self._make_missing_bucket)

    async def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store `data` under `key`. Once this returns the object is on disk."""
        valid_key(key)
        await _in_thread(self._workers, key, lambda: self._put(key, BytesIO(data), len(data), content_type))

    async def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Stream the file to `key`, in parts if it is larger than 16 MiB, and return it as the store now has it.

        Raises:
            TransientError: also when the store kept another number of bytes than were sent.
        """
        valid_key(key)
        abandoned = threading.Event()
        try:
            return await _in_thread(
                self._workers, key, lambda: self._put_file(key, path, content_type, abandoned=abandoned)
            )
        finally:
            abandoned.set()

    async def get_bytes(self, key: str, *, max_bytes: int) -> bytes:
        """Return the whole object.

        Raises:
            ObjectNotFoundError: no such object.
            ObjectTooLargeError: it has more than `max_bytes`; nothing beyond them is read.
        """
        valid_key(key)
        return await _in_thread(self._workers, key, lambda: self._get_bytes(key, max_bytes))

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer where the object ends sooner.

        Raises:
            ObjectNotFoundError: no such object.
            UsageError: the object ends before `offset`, or the range is not one.
        """
        valid_key(key)
        if offset < 0 or length < 1:
            raise UsageError(f"no byte range: offset {offset}, length {length}")
        return await _in_thread(self._workers, key, lambda: self._get_range(key, offset, length))

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
        valid_key(key)
        abandoned = threading.Event()
        try:
            return await _in_thread(
                self._workers,
                key,
                lambda: self._fetch_file(key, path, expected_sha256, max_bytes, abandoned=abandoned),
            )
        finally:
            abandoned.set()

    async def stat(self, key: str) -> StoredObject | None:
        """Return the object's description, or None if there is no such object."""
        valid_key(key)
        try:
            return await _in_thread(self._workers, key, lambda: self._stat(key))
        except ObjectNotFoundError:
            return None

    async def exists(self, key: str) -> bool:
        return await self.stat(key) is not None

    async def list(self, prefix: str, *, start_after: str | None = None) -> AsyncIterator[StoredObject]:
        """Yield the objects whose key starts with `prefix` (may be empty, may end in `/`), in the order of the keys.

        One page of keys is held at a time. Keys up to and including `start_after` are left out.
        """
        for start in (prefix, start_after):
            if start:
                valid_key(start.removesuffix("/"))
        keys = self._client.list_objects(self._bucket, prefix=prefix, start_after=start_after, recursive=True)
        while page := await _in_thread(self._workers, prefix, lambda: tuple(islice(keys, PAGE_KEYS))):
            for item in page:
                if not item.is_dir:
                    yield _described(item)

    async def delete(self, key: str) -> None:
        """Remove the object; one that does not exist is removed already."""
        valid_key(key)
        try:
            await _in_thread(self._workers, key, lambda: self._client.remove_object(self._bucket, key))
        except ObjectNotFoundError:
            return

    def sign_get(
        self, key: str, *, content_type: str | None = None, filename: str | None = None, ttl_s: int | None = None
    ) -> str:
        """Return a link that downloads the object without credentials. Computed here: no request is made.

        Args:
            key: the object; it need not exist.
            content_type: the type the reply shall carry (the store does not remember it reliably).
            filename: what a browser shall save the reply as.
            ttl_s: life of the link in seconds, 1 to 604,800; by default what the settings say.
        """
        headers = {
            "response-content-type": content_type,
            "response-content-disposition": None if filename is None else _attachment(filename),
        }
        return self._signer.presigned_get_object(
            self._bucket,
            valid_key(key),
            expires=self._link_life(ttl_s),
            response_headers={name: value for name, value in headers.items() if value is not None},
        )

    def sign_put(self, key: str, *, ttl_s: int | None = None) -> str:
        """Return a link that uploads the object by PUT without credentials. Computed here: no request is made."""
        return self._signer.presigned_put_object(self._bucket, valid_key(key), expires=self._link_life(ttl_s))

    def _link_life(self, ttl_s: int | None) -> timedelta:
        return timedelta(seconds=self._link_ttl_s if ttl_s is None else ttl_s)

    def _make_missing_bucket(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket)
        except MinioException:
            # Another process made it between the two calls.
            if not self._client.bucket_exists(self._bucket):
                raise

    def _put(self, key: str, data: BinaryIO, length: int, content_type: str) -> None:
        # One part after the other: the driver's own upload threads would come on top of our bound.
        self._client.put_object(
            self._bucket,
            key,
            data,
            length,
            content_type=content_type,
            part_size=PART_BYTES,
            num_parallel_uploads=1,
        )

    def _put_file(self, key: str, path: Path, content_type: str, *, abandoned: threading.Event) -> StoredObject:
        with path.open("rb") as file:
            sent = _HashingReader(file, abandoned)
            size_bytes = path.stat().st_size
            self._put(key, cast("BinaryIO", sent), size_bytes, content_type)
        stored = self._stat(key)
        if stored.size_bytes != size_bytes:
            raise TransientError(f"object {key!r}: {size_bytes} bytes sent, {stored.size_bytes} stored")
        return replace(stored, sha256=sent.sha256.hexdigest())

    def _get_bytes(self, key: str, max_bytes: int) -> bytes:
        with self._opened(key) as response:
            return b"".join(_chunks(response, key, max_bytes))

    def _get_range(self, key: str, offset: int, length: int) -> bytes:
        with self._opened(key, offset, length) as response:
            # rclone answers the right bytes with 200; only a reply without Content-Range is the whole object.
            skipped = 0 if response.status == 206 or "Content-Range" in response.headers else offset
            data = bytearray()
            for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                data += chunk
                if len(data) >= skipped + length:
                    break
            return bytes(data[skipped : skipped + length])

    def _fetch_file(
        self, key: str, path: Path, expected_sha256: str | None, max_bytes: int | None, *, abandoned: threading.Event
    ) -> StoredObject:
        partial = path.with_name(f".{uuid4().hex}.part")
        sha256 = hashlib.sha256()
        size_bytes = 0
        try:
            with self._opened(key) as response, partial.open("xb") as file:
                for chunk in _chunks(response, key, max_bytes):
                    _give_up_if(abandoned)
                    file.write(chunk)
                    sha256.update(chunk)
                    size_bytes += len(chunk)
                etag, modified_at = _version(response)
            if expected_sha256 is not None and sha256.hexdigest() != expected_sha256.lower():
                raise ChecksumMismatchError(
                    f"object {key!r} has SHA-256 {sha256.hexdigest()}, recorded is {expected_sha256}"
                )
            _give_up_if(abandoned)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return StoredObject(
            key=key,
            size_bytes=size_bytes,
            etag=etag,
            sha256=sha256.hexdigest(),
            modified_at=modified_at,
        )

    def _stat(self, key: str) -> StoredObject:
        return _described(self._client.stat_object(self._bucket, key))

    @contextmanager
    def _opened(self, key: str, offset: int = 0, length: int = 0) -> Iterator[BaseHTTPResponse]:
        response = self._client.get_object(self._bucket, key, offset=offset, length=length)
        try:
            yield response
        finally:
            # A reply read to its end has given its connection back already; one left half-way is cut off here.
            response.close()
            response.release_conn()


class _HashingReader:
    """A file as the driver reads it, part by part in order: hashes what is sent, stops when nobody waits for it."""

    def __init__(self, file: BinaryIO, abandoned: threading.Event) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file
        self._abandoned = abandoned

    def read(self, size: int) -> bytes:
        _give_up_if(self._abandoned)
        data = self._file.read(size)
        self.sha256.update(data)
        return data


class _AbandonedTransferError(Exception):
    """The awaiting task was cancelled: nobody sees this, it only ends the thread."""


def _give_up_if(abandoned: threading.Event) -> None:
    if abandoned.is_set():
        raise _AbandonedTransferError


def _chunks(response: BaseHTTPResponse, key: str, max_bytes: int | None) -> Iterator[bytes]:
    announced = int(response.headers.get("Content-Length", 0))
    read = 0
    if max_bytes is not None and announced > max_bytes:
        raise ObjectTooLargeError(f"object {key!r} has {announced} bytes, allowed are {max_bytes}")
    for chunk in response.stream(CHUNK_BYTES, decode_content=False):
        read += len(chunk)
        if max_bytes is not None and read > max_bytes:
            raise ObjectTooLargeError(f"object {key!r} has more than the {max_bytes} bytes allowed")
        yield chunk


def _version(response: BaseHTTPResponse) -> tuple[str, datetime]:
    try:
        modified_at = parsedate_to_datetime(response.headers["Last-Modified"])
    except (KeyError, ValueError) as error:
        raise TransientError("the object store sent an object without a valid Last-Modified") from error
    return response.headers.get("ETag", "").strip('"'), modified_at.astimezone(UTC)


def _client(settings: S3Settings, url: str, pool: PoolManager) -> Minio:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.username:
        raise ValueError("an S3 URL is http(s)://host[:port], without a path or credentials")
    return Minio(
        parts.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=parts.scheme == "https",
        region=settings.s3_region,  # given, so that the driver never asks the server, neither to sign nor to call
        http_client=pool,
    )


def _described(item: Object) -> StoredObject:
    if item.object_name is None or item.size is None or item.last_modified is None:
        raise TransientError("the object store sent an incomplete description of an object")
    return StoredObject(
        key=item.object_name,
        size_bytes=item.size,
        etag=item.etag or "",
        sha256=None,
        modified_at=item.last_modified.astimezone(UTC),
    )


def _attachment(filename: str) -> str:
    """Return a Content-Disposition for any file name (RFC 6266, with the extended form of RFC 8187)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def _in_thread(executor: ThreadPoolExecutor, subject: str, call: Callable[[], T]) -> T:
    def translated() -> T:
        with _known_failures(subject):
            return call()

    return await asyncio.get_running_loop().run_in_executor(executor, translated)
