"""New files, as the bus tells of them."""

from __future__ import annotations

from datalab.events.operations import FailureKind
from datalab.events.topology import FILE_INGEST, Consumer
from datalab.platform.bus.consuming import Failure, Subscription
from ingest.arrivals.announcements import AnnouncedFiles, AnnouncementReader
from ingest.arrivals.refusals import Refusals
from ingest.arrivals.service import Ingestion


def file_subscription(
    *, ingestion: Ingestion, refusals: Refusals, bucket: str, concurrency: int, consumer: Consumer = FILE_INGEST
) -> Subscription[AnnouncedFiles]:
    """Return what to do with the messages of the FILES stream."""

    async def ingest(files: AnnouncedFiles) -> None:
        await ingestion.ingest_all(files.arrivals)

    async def give_up(files: AnnouncedFiles, failure: Failure) -> None:
        if failure.kind is not FailureKind.USAGE:  # a usage error was told when it was found
            await ingestion.give_up(files.arrivals, failure.message, refused=failure.refused)

    async def refuse(subject: str, body: bytes, reason: str) -> None:
        if subject.startswith("observatory."):
            await refusals.tell(subject.split(".")[1], body, f"not an announcement: {reason}")

    return Subscription(
        consumer=consumer,
        decode=AnnouncementReader(bucket=bucket).decode,
        handle=ingest,
        on_failure=give_up,
        on_unreadable=refuse,
        keep_failed=True,
        concurrency=concurrency,
    )
