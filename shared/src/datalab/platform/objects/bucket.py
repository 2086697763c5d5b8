"""The blocking half of the object store: one bucket of an S3 server, as the driver minio reaches it.

Deliberately absent: tags, retention of single objects, legal hold, ACL, bucket policy, versioning and user metadata.
The embedded server (rclone 1.75) takes a tag or ACL request for the object itself and overwrites or deletes the data;
metadata it forgets.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from minio.commonconfig import CopySource
from minio.datatypes import Object
from minio.error import MinioException
from urllib3 import BaseHTTPResponse, PoolManager

from datalab.errors import OutageError, TransientError
from datalab.platform.objects.driver import s3_client
from datalab.platform.objects.errors import ChecksumMismatchError, ObjectTooLargeError
from datalab.platform.objects.incoming import AbandonedTransferError, Incoming
from datalab.platform.objects.lifecycle import KeepRule, apply_rules
from datalab.platform.objects.requests import ObjectRequests
from datalab.platform.settings import S3Settings

PART_BYTES = 16 * 1024**2  # memory of one upload; with S3's 10,000 parts it allows objects of 160 GiB
STREAM_PART_BYTES = 8 * 1024**2  # the same where the size is not known beforehand; objects of up to 80 GiB
CHUNK_BYTES = 1024**2  # one read; large enough that hashing (releases the GIL) dominates


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


class Bucket:
    """The calls the store makes, each in a thread; what they raise is translated by `errors.known_failures`.

    A transfer ends at its next chunk once `abandoned` is set: nobody waits for it any more.
    """

    def __init__(self, settings: S3Settings, pool: PoolManager) -> None:
        self._name = settings.s3_bucket
        self._client = s3_client(settings, settings.s3_url, pool)
        self._requests = ObjectRequests(settings, pool)
        self._pool = pool
        self._form_url = f"{settings.s3_url.rstrip('/')}/{settings.s3_bucket}"

    def exists(self) -> bool:
        return self._client.bucket_exists(self._name)

    def check(self) -> None:
        if not self.exists():
            raise OutageError(f"bucket {self._name!r} does not exist")

    def make_unless_there(self) -> None:
        if self.exists():
            return
        try:
            self._client.make_bucket(self._name)
        except MinioException:
            # Another process made it between the two calls.
            if not self.exists():
                raise

    def apply_rules(self, rules: Sequence[KeepRule]) -> bool | None:
        return apply_rules(self._client, self._name, rules)

    def put_bytes(self, key: str, data: bytes, content_type: str) -> str:
        if len(data) > PART_BYTES:
            return self._put(key, BytesIO(data), len(data), content_type)
        reply = self._requests.send("PUT", key, body=data, headers={"Content-Type": content_type})
        return reply.headers.get("ETag", "").strip('"')

    def put_file(self, key: str, path: Path, content_type: str, abandoned: threading.Event) -> StoredObject:
        with path.open("rb") as file:
            sent = _HashingReader(file, abandoned)
            size_bytes = path.stat().st_size
            self._put(key, cast("BinaryIO", sent), size_bytes, content_type)
        stored = self.describe(key)
        if stored.size_bytes != size_bytes:
            raise TransientError(f"object {key!r}: {size_bytes} bytes sent, {stored.size_bytes} stored")
        return replace(stored, sha256=sent.sha256.hexdigest())

    def put_stream(self, key: str, incoming: Incoming, content_type: str) -> StoredObject:
        self._put(key, cast("BinaryIO", incoming), -1, content_type, part_bytes=STREAM_PART_BYTES)
        stored = self.describe(key)
        if stored.size_bytes != incoming.size_bytes:
            raise TransientError(f"object {key!r}: {incoming.size_bytes} bytes sent, {stored.size_bytes} stored")
        return replace(stored, sha256=incoming.sha256)

    def copy(self, source: str, target: str) -> None:
        # The driver's own copy asks for the source first, and copies what is larger than 5 GiB in parts.
        self._client.copy_object(self._name, target, CopySource(self._name, source))

    def takes_form(self, key: str, fields: Mapping[str, str]) -> bool:
        reply = self._pool.request("POST", self._form_url, fields={**fields, "file": (key, b"trial")}, retries=False)
        if reply.status >= 500:
            raise OutageError(f"the object store failed on a form: HTTP {reply.status}")
        return 200 <= reply.status < 300

    def get_bytes(self, key: str, max_bytes: int) -> bytes:
        with self._opened(key) as response:
            return b"".join(_chunks(response, key, max_bytes))

    def look(self, key: str, most_bytes: int) -> tuple[StoredObject, bytes | None]:
        with self._opened(key) as response:
            stored = _described(key, response)
            if stored.size_bytes > most_bytes:
                return stored, None
            content = b"".join(_chunks(response, key, most_bytes))
        return replace(stored, sha256=hashlib.sha256(content).hexdigest()), content

    def get_range(self, key: str, offset: int, length: int, etag: str) -> bytes:
        with self._opened(key, offset=offset, length=length) as response:
            found, _ = _version(response)
            if etag and found != etag:
                raise ChecksumMismatchError(f"object {key!r} has the tag {found}, recorded is {etag}")
            data = b"".join(_chunks(response, key, length))
        if len(data) != length:
            raise TransientError(f"object {key!r}: {length} bytes asked for, {len(data)} received")
        return data

    def chunks(self, key: str) -> Generator[bytes, None, None]:
        with self._opened(key) as response:
            yield from _chunks(response, key, None)

    def checksum(self, key: str, abandoned: threading.Event) -> StoredObject:
        sha256, size_bytes = hashlib.sha256(), 0
        with self._opened(key) as response:
            for chunk in _chunks(response, key, None):
                _give_up_if(abandoned)
                sha256.update(chunk)
                size_bytes += len(chunk)
            etag, modified_at = _version(response)
        return StoredObject(
            key=key, size_bytes=size_bytes, etag=etag, sha256=sha256.hexdigest(), modified_at=modified_at
        )

    def fetch_file(
        self, key: str, path: Path, expected_sha256: str | None, max_bytes: int | None, abandoned: threading.Event
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
            found = sha256.hexdigest()
            if expected_sha256 is not None and found != expected_sha256.lower():
                raise ChecksumMismatchError(f"object {key!r} has SHA-256 {found}, recorded is {expected_sha256}")
            _give_up_if(abandoned)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return StoredObject(key=key, size_bytes=size_bytes, etag=etag, sha256=found, modified_at=modified_at)

    def describe(self, key: str) -> StoredObject:
        return _described(key, self._requests.send("HEAD", key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for item in self._client.list_objects(self._name, prefix=prefix, recursive=True):
            if not item.is_dir:
                yield _listed(item)

    def delete(self, key: str) -> None:
        self._client.remove_object(self._name, key)

    def _put(self, key: str, data: BinaryIO, length: int, content_type: str, *, part_bytes: int = PART_BYTES) -> str:
        # One part after the other: the driver's own upload threads would come on top of our bound.
        written = self._client.put_object(
            self._name, key, data, length, content_type=content_type, part_size=part_bytes, num_parallel_uploads=1
        )
        return (written.etag or "").strip('"')

    @contextmanager
    def _opened(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[BaseHTTPResponse]:
        part = {"Range": f"bytes={offset}-{offset + length - 1}"} if length else {}
        response = self._requests.send("GET", key, headers=part, whole=False)
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


def _give_up_if(abandoned: threading.Event) -> None:
    if abandoned.is_set():
        raise AbandonedTransferError


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


def _described(key: str, reply: BaseHTTPResponse) -> StoredObject:
    etag, modified_at = _version(reply)
    try:
        size_bytes = int(reply.headers["Content-Length"])
    except (KeyError, ValueError) as error:
        raise TransientError("the object store sent an object without a valid Content-Length") from error
    return StoredObject(key=key, size_bytes=size_bytes, etag=etag, sha256=None, modified_at=modified_at)


def _listed(item: Object) -> StoredObject:
    if item.object_name is None or item.size is None or item.last_modified is None:
        raise TransientError("the object store sent an incomplete description of an object")
    return StoredObject(
        key=item.object_name,
        size_bytes=item.size,
        etag=item.etag or "",
        sha256=None,
        modified_at=item.last_modified.astimezone(UTC),
    )
