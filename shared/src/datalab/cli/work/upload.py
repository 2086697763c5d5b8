"""The work of `datalab upload`."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Sequence
from pathlib import Path

import typer

from datalab.cli.connection import CommandError
from datalab.cli.work.bus import connected_bus
from datalab.errors import DatalabError
from datalab.events.frames import FileStored
from datalab.events.object_keys import data_key
from datalab.platform.bus.connection import Bus
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import S3Settings


async def store_and_announce(path: Path, *, site: str, store: ObjectStore, bus: Bus) -> FileStored:
    """Put one file into the object store, then tell the archive about it. Raises `DatalabError`."""
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    stored = await store.put_file(data_key(path.name), path, content_type=media_type)
    announcement = FileStored(
        site=site, key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256, producer="datalab upload"
    )
    await bus.publish(announcement)
    return announcement


def upload_files(files: Sequence[Path], *, site: str) -> None:
    """Bring in one file after the other, and print the key of each. Raises `CommandError`."""

    async def send() -> None:
        async with ObjectStore(S3Settings()) as store, connected_bus() as bus:
            for path in files:
                announcement = await store_and_announce(path, site=site, store=store, bus=bus)
                typer.echo(f"{announcement.key}  {announcement.size_bytes} bytes")

    try:
        asyncio.run(send())
    except DatalabError as error:
        raise CommandError(error.message) from error
