"""Archives somebody waits for, as the bus brings them."""

from __future__ import annotations

from datalab.events.analysis import AnalysisAnswered
from datalab.events.archives import ArchiveRequested
from datalab.events.operations import FailureKind
from datalab.events.topology import ARCHIVERS
from datalab.platform.bus.requests import Answer, Responder
from operation_runner import SERVICE
from operation_runner.downloads.archives import Archives
from operation_runner.downloads.making import UnfinishedError

#: Each waits for an archive that is made once.
_CONCURRENCY = 256


def responders(archives: Archives) -> list[Responder[ArchiveRequested]]:
    """Return the responder of archives."""

    async def answer(request: ArchiveRequested) -> Answer:
        try:
            await archives.have(request)
        except UnfinishedError as unfinished:
            return Answer(unfinished_answer(unfinished))
        return Answer(AnalysisAnswered(producer=SERVICE))

    def refuse(kind: FailureKind, message: str) -> AnalysisAnswered:
        return AnalysisAnswered(failure=kind, message=message, producer=SERVICE)

    (subject,) = ARCHIVERS.subjects
    return [
        Responder(
            group=ARCHIVERS,
            subject=subject,
            decode=lambda _, body: ArchiveRequested.decode(body),
            answer=answer,
            refuse=refuse,
            concurrency=_CONCURRENCY,
        )
    ]


def unfinished_answer(unfinished: UnfinishedError) -> AnalysisAnswered:
    """Return the head of an answer that tells how far it is."""
    return AnalysisAnswered(failure=FailureKind.TRANSIENT, message=unfinished.message, pending=True, producer=SERVICE)
