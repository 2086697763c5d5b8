"""Files of OCS ingesters: the session API has taken them in, and waits to hear which frame they have become part of."""

from __future__ import annotations

from datalab.events.frames import FileRecordAnswered, FileRecordRequested
from datalab.events.operations import FailureKind
from datalab.events.topology import RECORDERS
from datalab.platform.bus.requests import Answer, Responder
from ingest import SERVICE
from ingest.arrivals.model import Arrival, Origin
from ingest.arrivals.service import Ingestion

#: More are told to come again: each holds a copy of a file on disk, and an ingester waits for each.
_CONCURRENCY = 8


def record_responder(ingestion: Ingestion) -> Responder[FileRecordRequested]:
    """Return how the session API is answered. Asked again, the answer is the same."""

    async def answer(request: FileRecordRequested) -> Answer:
        await ingestion.ingest(arrival_of(request))
        frame_id = await ingestion.frame_id_of(request.basename)
        return Answer(
            FileRecordAnswered(frame_id=frame_id, correlation_id=request.correlation_id, producer=SERVICE),
        )

    def refuse(kind: FailureKind, message: str) -> FileRecordAnswered:
        return FileRecordAnswered(failure=kind, message=message, producer=SERVICE)

    (subject,) = RECORDERS.subjects
    return Responder(
        group=RECORDERS,
        subject=subject,
        decode=lambda _subject, body: FileRecordRequested.decode(body),
        answer=answer,
        refuse=refuse,
        concurrency=_CONCURRENCY,
    )


def arrival_of(request: FileRecordRequested) -> Arrival:
    """Return the file that is asked about."""
    return Arrival(
        key=request.key,
        origin=Origin.INGESTER,
        correlation_id=request.correlation_id,
        site=request.site,
        size_bytes=request.size_bytes,
        sha256=request.sha256,
        recorded=request,
    )
