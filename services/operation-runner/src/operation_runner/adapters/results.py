"""Results in the object store: the files first, the manifest last. A result without manifest does not exist."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from datetime import datetime
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

import datalab
from datalab.events.envelope import UtcDatetime, utc_now
from datalab.events.operations import InputFile, OperationResult, OutputFile, StoredFile
from datalab.platform.errors import TransientError
from datalab.platform.objects import ObjectNotFoundError, ObjectStore
from operation_runner.domain.ports import Computed, Job, LocalProduct

_LARGEST_MANIFEST_BYTES = 16 * 1024**2
#: A file of this size is sent in one request; a larger one is streamed, and looked at again when it is there.
_SMALL_BYTES = 1024**2
#: Results never change, so the ones found lately need not be read again.
_REMEMBERED = 2000
_EXTENSION = {"fits": ".fits", "large": "-large.jpg", "small": "-small.jpg", "tif": ".tif"}


class Manifest(BaseModel):
    """What `results/<result key>/manifest.json` says."""

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
    """Results under `results/<result key>/`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._found: OrderedDict[str, OperationResult] = OrderedDict()

    async def find(self, result_key: str) -> OperationResult | None:
        """Return a complete result, or None. Raises `TransientError`."""
        if result_key in self._found:
            self._found.move_to_end(result_key)
            return self._found[result_key]
        try:
            text = await self._store.get_bytes(_manifest_key(result_key), max_bytes=_LARGEST_MANIFEST_BYTES)
            result = Manifest.model_validate_json(text).result
        except ObjectNotFoundError:
            return None
        except ValidationError as error:
            raise TransientError(f"the manifest of result {result_key} is damaged") from error
        self._remember(result)
        return result

    async def store(self, computed: Computed, *, job: Job) -> OperationResult:
        """Store the files of a result side by side, then its manifest. Raises `TransientError`."""
        products = await asyncio.gather(*(self._store_product(product, job) for product in computed.products))
        result = OperationResult(result_key=job.result_key, output_files=tuple(products), output_data=computed.data)
        manifest = Manifest(
            result=result,
            operation=job.operation,
            parameters=job.parameters,
            inputs=job.inputs,
            software_version=datalab.__version__,
            created_at=utc_now(),
            compute_s=computed.compute_s,
        )
        await self._store.put_bytes(
            _manifest_key(job.result_key), manifest.model_dump_json().encode(), content_type="application/json"
        )
        self._remember(result)
        return result

    async def _store_product(self, product: LocalProduct, job: Job) -> OutputFile:
        roles = list(product.files)
        stored = await asyncio.gather(*(self._store_file(product, role, job) for role in roles))
        return OutputFile(
            basename=product.basename,
            type=cast("Literal['fits', 'image']", product.type),
            files=dict(zip(roles, stored, strict=True)),
            filter_name=product.filter_name,
            observation_date=datetime.fromisoformat(product.observation_date) if product.observation_date else None,
            target_name=product.target_name,
        )

    async def _store_file(self, product: LocalProduct, role: str, job: Job) -> StoredFile:
        file = product.files[role]
        key = f"results/{job.result_key}/{product.basename}{_EXTENSION[role]}"
        size_bytes = file.path.stat().st_size
        if size_bytes <= _SMALL_BYTES:
            content = file.path.read_bytes()
            await self._store.put_bytes(key, content, content_type=file.media_type)
            sha256 = hashlib.sha256(content).hexdigest()
        else:
            sha256 = (await self._store.put_file(key, file.path, content_type=file.media_type)).sha256 or ""
        return StoredFile(key=key, sha256=sha256, size_bytes=size_bytes, media_type=file.media_type)

    def _remember(self, result: OperationResult) -> None:
        self._found[result.result_key] = result
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)


def _manifest_key(result_key: str) -> str:
    return f"results/{result_key}/manifest.json"
