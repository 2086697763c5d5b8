"""Questions about the Sun and the Moon, as the bus brings them."""

from __future__ import annotations

from typing import Any

from datalab.events.analysis import AnalysisAnswered
from datalab.events.ephemeris import EphemerisQuestion, MoonPassagesRequested, SiteNightRequested
from datalab.events.operations import FailureKind
from datalab.events.topology import ALMANAC
from datalab.platform.bus.requests import Answer, Responder
from operation_runner import SERVICE
from operation_runner.ephemeris.pool import Almanac

#: Each takes a fiftieth of a second, one after the other.
_CONCURRENCY = 64


def responders(almanac: Almanac) -> list[Responder[Any]]:
    """Return a responder for each kind of question."""
    return [_responder(kind, almanac) for kind in (SiteNightRequested, MoonPassagesRequested)]


def _responder(kind: type[EphemerisQuestion], almanac: Almanac) -> Responder[EphemerisQuestion]:
    async def answer(question: EphemerisQuestion) -> Answer:
        return Answer(AnalysisAnswered(producer=SERVICE), await almanac.tell(question))

    def refuse(failure: FailureKind, message: str) -> AnalysisAnswered:
        return AnalysisAnswered(failure=failure, message=message, producer=SERVICE)

    return Responder(
        group=ALMANAC,
        subject=f"datalab.{kind.type_name()}",
        decode=lambda _, body: kind.decode(body),
        answer=answer,
        refuse=refuse,
        concurrency=_CONCURRENCY,
    )
