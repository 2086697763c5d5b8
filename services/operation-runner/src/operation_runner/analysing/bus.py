"""Analyses to answer while somebody waits."""

from __future__ import annotations

from datalab.events.analysis import AnalysisAnswered, AnalysisRequested, analysis_subject
from datalab.events.operations import FailureKind
from datalab.events.topology import ANALYSTS
from datalab.platform.bus.requests import Answer, Responder
from operation_runner import SERVICE
from operation_runner.analysing.service import Analyses

#: Questions in hand at once, of one action; those beyond would wait longer than anybody does.
_CONCURRENCY = 32


def responders(analyses: Analyses) -> list[Responder[AnalysisRequested]]:
    """Return one responder per action: a runner hears only of what it offers."""

    async def answer(request: AnalysisRequested) -> Answer:
        result = await analyses.answer(request)
        return Answer(AnalysisAnswered(links=result.links, producer=SERVICE), result.body)

    def refuse(kind: FailureKind, message: str) -> AnalysisAnswered:
        return AnalysisAnswered(failure=kind, message=message, producer=SERVICE)

    return [
        Responder(
            group=ANALYSTS,
            subject=analysis_subject(action),
            decode=lambda _, body: AnalysisRequested.decode(body),
            answer=answer,
            refuse=refuse,
            concurrency=_CONCURRENCY,
        )
        for action in analyses.actions
    ]
