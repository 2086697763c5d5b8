"""Results in the object store: the files first, the manifest last. A result without manifest does not exist."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

import datalab
from datalab.errors import UsageError, explain_validation
from datalab.events.envelope import UtcDatetime, utc_now
from datalab.events.object_keys import manifest_key, result_data_key, result_file_key
from datalab.events.operations import (
    MAX_DATA_BYTES,
    MAX_INLINE_DATA_BYTES,
    InputFile,
    LinkedFile,
    OperationResult,
    OutputFile,
    StoredFile,
)
from datalab.platform.logging import get_logger
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore
from datalab.platform.tasks import end_tasks
from operation_runner.results.names import product_name
from operation_runner.sdk.jobs import Computed, Job, LocalFile, LocalProduct

_LARGEST_MANIFEST_BYTES = 16 * 1024**2
_log = get_logger(__name__)

#: A file of this size is sent in one request; a larger one is streamed, and looked at again when it is there.
_SMALL_BYTES = 1024**2
#: Results never change, so the ones found lately need not be read again. They may expire, a day after their manifest
#: did: by then nobody must remember them.
_REMEMBERED = 2000
_REMEMBERED_S = 3600.0
_JSON_TYPE = "application/json"
#: More do not go faster; and whole small files are in memory meanwhile.
_FILES_AT_ONCE = 16
_EXTENSION = {"fits": ".fits", "large": "-large.jpg", "small": "-small.jpg", "tif": ".tif"}


class Manifest(BaseModel):
    """What the `manifest.json` in the folder of a result says."""

    model_config = ConfigDict(frozen=True)

    type: Literal["manifest.v1"] = "manifest.v1"
    result: OperationResult
    operation: str
    parameters: dict[str, JsonValue]
    inputs: tuple[InputFile, ...]
    software_version: str
    created_at: UtcDatetime
    compute_s: float


class ObjectResultStore:
    """Results, each in a folder named by its key."""

    def __init__(self, store: ObjectStore, *, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._found: OrderedDict[str, tuple[float, OperationResult]] = OrderedDict()

    async def find(self, result_key: str) -> OperationResult | None:
        """Return a complete result, or None. Raises `TransientError`."""
        read_at, remembered = self._found.get(result_key, (0.0, None))
        if remembered is not None and self._clock() - read_at < _REMEMBERED_S:
            self._found.move_to_end(result_key)
            return remembered
        try:
            text = await self._store.get_bytes(manifest_key(result_key), max_bytes=_LARGEST_MANIFEST_BYTES)
            result = Manifest.model_validate_json(text).result
        except ObjectNotFoundError:
            return None
        except ValidationError as error:
            # Whoever makes the result anew stores a good one; the files of this one stay for those who have them.
            _log.warning("result.manifest_damaged", result_key=result_key, reason=explain_validation(error))
            return None
        self._remember(result)
        return result

    @asynccontextmanager
    async def new_result(self, job: Job) -> AsyncIterator[StoredResult]:
        """Begin to store a result; see `operation_runner.execution.ports.ResultStore`."""
        result = StoredResult(self._store, job, remember=self._remember)
        try:
            yield result
        finally:
            await result.give_up()

    def _remember(self, result: OperationResult) -> None:
        self._found[result.result_key] = (self._clock(), result)
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)


class StoredResult:
    """One result on its way into the store."""

    def __init__(self, store: ObjectStore, job: Job, *, remember: Callable[[OperationResult], None]) -> None:
        self._store = store
        self._job = job
        self._remember = remember
        self._at_once = asyncio.Semaphore(_FILES_AT_ONCE)
        self._products: list[asyncio.Task[OutputFile]] = []

    def add(self, product: LocalProduct) -> None:
        """Begin to store the files of the next product."""
        number = len(self._products) + 1
        self._products.append(asyncio.create_task(self._store_product(product, number)))

    async def complete(self, computed: Computed) -> OperationResult:
        """Wait for all files, then store the manifest. Raises `TransientError`, `UsageError` for too much data."""
        key = self._job.result_key
        pictures, files = await asyncio.gather(self._store_pictures(computed), asyncio.gather(*self._products))
        if len(files) == 1:
            files = [files[0].model_copy(update={"basename": files[0].basename.rpartition("-")[0]})]
        content = tuple(data.content for data in computed.data)
        data_file = await self._store_data(content)
        result = OperationResult(
            result_key=key,
            output_files=tuple(files),
            output_data=content if data_file is None else (),
            output_data_file=data_file,
            linked_files=pictures,
        )
        manifest = Manifest(
            result=result,
            operation=self._job.operation,
            parameters=self._job.parameters,
            inputs=self._job.inputs,
            software_version=datalab.__version__,
            created_at=utc_now(),
            compute_s=computed.compute_s,
        )
        await self._store.put_bytes(manifest_key(key), manifest.model_dump_json().encode(), content_type=_JSON_TYPE)
        self._remember(result)
        return result

    async def give_up(self) -> None:
        """End what is still being stored."""
        await end_tasks(*self._products)

    async def _store_product(self, product: LocalProduct, number: int) -> OutputFile:
        key = self._job.result_key
        roles = list(product.files)
        stored = await asyncio.gather(
            *(self._store_file(product.files[role], f"{key}-{number}{_EXTENSION[role]}") for role in roles)
        )
        observation_date = datetime.fromisoformat(product.observation_date) if product.observation_date else None
        name = product_name(
            operation=self._job.operation,
            result_key=key,
            target_name=product.target_name,
            filter_name=product.filter_name,
            observation_date=observation_date,
        )
        return OutputFile(
            basename=f"{name}-{number}",
            type=product.type,
            files=dict(zip(roles, stored, strict=True)),
            inputs=product.inputs,
            filter_name=product.filter_name,
            observation_date=observation_date,
            target_name=product.target_name,
            is_exposure=product.is_exposure,
        )

    async def _store_data(self, content: tuple[JsonValue, ...]) -> StoredFile | None:
        """Store data too large for a message; return None for data that is not. Raises `UsageError`."""
        as_json = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
        if len(as_json) <= MAX_INLINE_DATA_BYTES:
            return None
        if len(as_json) > MAX_DATA_BYTES:
            raise UsageError(
                f"The result is {len(as_json) // 1024**2} MiB of data, more than the {MAX_DATA_BYTES // 1024**2} MiB "
                "that can be shown; use fewer input files."
            )
        key = result_data_key(self._job.result_key)
        await self._store.put_bytes(key, as_json, content_type=_JSON_TYPE)
        return StoredFile(
            key=key, sha256=hashlib.sha256(as_json).hexdigest(), size_bytes=len(as_json), media_type=_JSON_TYPE
        )

    async def _store_pictures(self, computed: Computed) -> tuple[LinkedFile, ...]:
        pictures = [(item, picture) for item, data in enumerate(computed.data) for picture in data.pictures]
        stored = await asyncio.gather(
            *(
                self._store_file(picture.file, f"{self._job.result_key}-{number}-diagnostic.jpg")
                for number, (_, picture) in enumerate(pictures, start=1)
            )
        )
        return tuple(
            LinkedFile(item=item, field=picture.field, name=picture.name, file=file)
            for (item, picture), file in zip(pictures, stored, strict=True)
        )

    async def _store_file(self, file: LocalFile, name: str) -> StoredFile:
        """Store a file and remove it: a thousand products need not be on this disk at the same time."""
        key = result_file_key(self._job.result_key, name)
        async with self._at_once:
            size_bytes = file.path.stat().st_size
            if size_bytes <= _SMALL_BYTES:
                content = file.path.read_bytes()
                await self._store.put_bytes(key, content, content_type=file.media_type)
                sha256 = hashlib.sha256(content).hexdigest()
            else:
                sha256 = (await self._store.put_file(key, file.path, content_type=file.media_type)).sha256 or ""
        file.path.unlink()
        return StoredFile(key=key, sha256=sha256, size_bytes=size_bytes, media_type=file.media_type)
