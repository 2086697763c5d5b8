"""The local object store with many results: storing and finding one more, and the memory of the server.

A result is four objects in a folder of its own, stored as a runner stores them. The comparison of the same run is the
empty store. The many results are written into the store's folder directly: through the server they would take hours.
`RESULTS=10000` makes fewer.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from datalab.events.object_keys import RESULTS as RESULTS_PREFIX
from datalab.events.object_keys import manifest_key, result_file_key
from datalab.local.data_folder import DataFolder
from datalab.local.embedded import start_servers
from datalab.local.supervisor import Supervisor
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import S3Settings
from support import report

RESULTS = int(os.environ.get("RESULTS", "100000"))
FILES = (".fits", "-large.jpg", "-small.jpg")
SAMPLES = 200
CONTENT = b"x" * 10_000
#: A file of each is there; what it holds is nobody's business here.
_SHORT = b"x"


def key_of(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def keys_of(result: str) -> list[str]:
    return [*(result_file_key(result, f"{result}-1{end}") for end in FILES), manifest_key(result)]


async def store_result(store: ObjectStore, result: str) -> None:
    *files, manifest = keys_of(result)
    await asyncio.gather(*(store.put_bytes(key, CONTENT, content_type="application/fits") for key in files))
    await store.put_bytes(manifest, CONTENT, content_type="application/json")


async def look_for(store: ObjectStore, result: str) -> None:
    try:
        await store.get_bytes(manifest_key(result), max_bytes=len(CONTENT))
    except ObjectNotFoundError:
        return
    raise AssertionError(f"{result} was never stored")


async def median_ms(call: Callable[[ObjectStore, str], Awaitable[None]], store: ObjectStore, kind: str) -> float:
    taken = []
    for number in range(SAMPLES):
        began = time.perf_counter()
        await call(store, key_of(kind, number))
        taken.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(taken), 2)


def fill(bucket: Path) -> None:
    for number in range(RESULTS):
        keys = keys_of(key_of("many", number))
        (bucket / keys[0]).parent.mkdir(parents=True)
        for key in keys:
            (bucket / key).write_bytes(_SHORT)


async def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root,
        DataFolder(Path(root)) as folder,
    ):
        async with Supervisor(folder=folder) as supervisor:
            addresses = await start_servers(supervisor=supervisor, folder=folder, environ={})
            settings = addresses.settings(S3Settings)
            server = psutil.Process(supervisor.status("s3").pid)
            async with ObjectStore(settings) as store:
                await store.ensure_bucket()
                empty = await median_ms(store_result, store, "first"), await median_ms(look_for, store, "no")
                await asyncio.to_thread(fill, folder.s3 / settings.s3_bucket)
                await supervisor.take_down("s3")  # it does not look for what others put into its folder
                await supervisor.bring_up("s3")
                server = psutil.Process(supervisor.status("s3").pid)
                listed = [stored async for stored in store.list(RESULTS_PREFIX)]  # as the look for expired results does
                assert len(listed) >= len(FILES) * RESULTS
                full = await median_ms(store_result, store, "last"), await median_ms(look_for, store, "never")
                server_mb = server.memory_info().rss / 1e6
    print(f"{'':32}{'empty':>10}{RESULTS:>10} results")
    print(f"{'store a result, ms':32}{empty[0]:10.2f}{full[0]:10.2f}")
    print(f"{'find that there is none, ms':32}{empty[1]:10.2f}{full[1]:10.2f}")
    print(f"memory of the server, MB        {server_mb:20.0f}")
    figures = {"store_ms": full[0], "store_empty_ms": empty[0], "find_ms": full[1], "find_empty_ms": empty[1]}
    report("local_store", {"results": RESULTS, **figures, "server_mb": round(server_mb)})


asyncio.run(main())
