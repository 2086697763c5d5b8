"""Results in the object store: the files first, the manifest last. A result without manifest does not exist.

The files of each computation have names of their own. A runner that was paused until its lease had passed to another
may wake at any moment, and write on: it must not touch the files of a result that is complete, whose checksums are
recorded, and on another computer its own files may differ in their last bits.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from time import monotonic
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

import datalab
from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.envelope import UtcDatetime, utc_now
from datalab.events.object_keys import manifest_key, result_file_key
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
from operation_runner.results.notes import with_few_notes
from operation_runner.sdk.jobs import Computed, Job, LocalFile, LocalProduct

_LARGEST_MANIFEST_BYTES = 16 * 1024**2
_log = get_logger(__name__)

#: A file of this size is sent in one request; a larger one is streamed, and looked at again when it is there.
_SMALL_BYTES = 1024**2
#: Results never change, so the ones found a moment ago, by a class that does the same, need not be read again. They
#: may expire, and people delete files: who remembered that for longer would hand out dead links.
_REMEMBERED = 2000
_REMEMBERED_S = 60.0
_JSON_TYPE = "application/json"
#: More do not go faster; and whole small files are in memory meanwhile.
_FILES_AT_ONCE = 16
#: Random digits that tell the files of one computation from those of all others of the same result.
_TOKEN_BYTES = 4
#: Who is asked to stop must not be kept by a store that is away; what then stays goes when the result expires.
_TIDYING_S = 2.0
_EXTENSION = {"fits": ".fits", "large": "-large.jpg", "small": "-small.jpg", "tif": ".tif"}

Stored = TypeVar("Stored")


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
        self._token = secrets.token_hex(_TOKEN_BYTES)
        self._products: list[asyncio.Task[OutputFile]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        #: What may be in the store, and no manifest names yet.
        self._unnamed: list[str] = []

    def add(self, product: LocalProduct) -> None:
        """Begin to store the files of the next product."""
        number = len(self._products) + 1
        self._products.append(self._begin(self._store_product(product, number)))

    async def complete(self, computed: Computed, *, confirm: Callable[[], Awaitable[None]]) -> OperationResult:
        """Wait for all files, `confirm` that the result is ours to make, then store the manifest.

        Raises `TransientError`, also what `confirm` raises, and `UsageError` for too much data.
        """
        key = self._job.result_key
        pictures, files = await asyncio.gather(self._store_pictures(computed), asyncio.gather(*self._products))
        files = with_few_notes(files)
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
        await confirm()
        # From here on it may be in the store, whatever we hear of it.
        self._unnamed.clear()
        await self._store.put_bytes(manifest_key(key), manifest.model_dump_json().encode(), content_type=_JSON_TYPE)
        self._remember(result)
        return result

    async def give_up(self) -> None:
        """End what is still being stored, and delete what no manifest names."""
        await end_tasks(*self._tasks)
        with suppress(TransientError, TimeoutError):
            async with asyncio.timeout(_TIDYING_S):
                await asyncio.gather(*map(self._store.delete, self._unnamed))

    def _begin(self, storing: Coroutine[Any, Any, Stored]) -> asyncio.Task[Stored]:
        """Begin to store something, to be ended by `give_up` at the latest."""
        task = asyncio.create_task(storing)
        self._tasks.append(task)
        return task

    async def _store_product(self, product: LocalProduct, number: int) -> OutputFile:
        roles = list(product.files)
        stored = await asyncio.gather(
            *(self._begin(self._store_file(product.files[role], f"-{number}{_EXTENSION[role]}")) for role in roles)
        )
        observation_date = datetime.fromisoformat(product.observation_date) if product.observation_date else None
        name = product_name(
            operation=self._job.operation,
            result_key=self._job.result_key,
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
            notes=product.notes,
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
        key = self._key("-data.json")
        await self._store.put_bytes(key, as_json, content_type=_JSON_TYPE)
        return StoredFile(
            key=key, sha256=hashlib.sha256(as_json).hexdigest(), size_bytes=len(as_json), media_type=_JSON_TYPE
        )

    async def _store_pictures(self, computed: Computed) -> tuple[LinkedFile, ...]:
        pictures = [(item, picture) for item, data in enumerate(computed.data) for picture in data.pictures]
        stored = await asyncio.gather(
            *(
                self._begin(self._store_file(picture.file, f"-{number}-diagnostic.jpg"))
                for number, (_, picture) in enumerate(pictures, start=1)
            )
        )
        return tuple(
            LinkedFile(item=item, field=picture.field, name=picture.name, file=file)
            for (item, picture), file in zip(pictures, stored, strict=True)
        )

    def _key(self, end: str) -> str:
        """Return where a file is stored whose name ends so; from now on it may be."""
        key = result_file_key(self._job.result_key, f"{self._job.result_key}-{self._token}{end}")
        self._unnamed.append(key)
        return key

    async def _store_file(self, file: LocalFile, end: str) -> StoredFile:
        """Store a file and remove it: a thousand products need not be on this disk at the same time."""
        async with self._at_once:
            key = self._key(end)
            size_bytes = file.path.stat().st_size
            if size_bytes <= _SMALL_BYTES:
                content = file.path.read_bytes()
                await self._store.put_bytes(key, content, content_type=file.media_type)
                sha256 = hashlib.sha256(content).hexdigest()
            else:
                sha256 = (await self._store.put_file(key, file.path, content_type=file.media_type)).sha256 or ""
        file.path.unlink()
        return StoredFile(key=key, sha256=sha256, size_bytes=size_bytes, media_type=file.media_type)
