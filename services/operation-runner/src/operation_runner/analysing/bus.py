"""Analyses to answer while somebody waits."""

from __future__ import annotations

import asyncio
import gzip
import zlib

from datalab.events.analysis import AnalysisAnswered, AnalysisRequested, analysis_subject
from datalab.events.operations import FailureKind
from datalab.events.topology import ANALYSTS
from datalab.platform.bus.requests import Answer, Responder
from operation_runner import SERVICE
from operation_runner.analysing.service import Analyses
from operation_runner.downloads.bus import unfinished_answer
from operation_runner.downloads.making import UnfinishedError

_JSON = "application/json"
#: Questions in hand at once, of one action; those beyond would wait longer than anybody does.
_CONCURRENCY = 32

#: What is compressed is so once, here: it is the larger part of the way from here to the screen.
_SMALL_BYTES = 64 * 1024
#: Faster than any other, and within a third of what the slowest makes of numbers.
_LEVEL = 1
#: By the look of its beginning, a text is worth the time if so much of it is left: of numbers a third, of pictures,
#: which are compressed already, three quarters.
_SAMPLE_BYTES = 16 * 1024
_WORTH_IT = 0.6


def packed_answer(body: bytes) -> bytes | None:
    """Return a text compressed with gzip, always the same for the same; None if that saves little."""
    sample = body[:_SAMPLE_BYTES]
    if len(zlib.compress(sample, _LEVEL)) > _WORTH_IT * len(sample):
        return None
    return gzip.compress(body, _LEVEL, mtime=0)


def responders(analyses: Analyses) -> list[Responder[AnalysisRequested]]:
    """Return one responder per action: a runner hears only of what it offers."""

    async def answer(request: AnalysisRequested) -> Answer:
        try:
            result = await analyses.answer(request)
        except UnfinishedError as unfinished:
            return Answer(unfinished_answer(unfinished))
        is_long = len(result.body) > _SMALL_BYTES and result.media_type == _JSON
        packed = await asyncio.to_thread(packed_answer, result.body) if is_long else None
        if packed is None:
            head = AnalysisAnswered(links=result.links, media_type=result.media_type, producer=SERVICE)
            return Answer(head, result.body)
        return Answer(AnalysisAnswered(links=result.links, encoding="gzip", producer=SERVICE), packed)

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
