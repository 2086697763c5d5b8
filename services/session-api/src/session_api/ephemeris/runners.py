"""The runners over the bus, as far as they know the Sun and the Moon."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.analysis import AnalysisAnswered
from datalab.events.ephemeris import (
    EphemerisQuestion,
    MoonPassages,
    MoonPassagesRequested,
    SiteNight,
    SiteNightRequested,
)
from datalab.events.operations import FailureKind
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.requests import NoAnswerError, NobodyThereError
from session_api import SERVICE
from session_api.ephemeris.model import MoonQuestion, NightQuestion

#: Several times what the passages of 400 days take.
_LARGEST_ANSWER_BYTES: Final = 1024**2
#: A runner answers one after the other, each within a fiftieth of a second.
_AT_ONCE: Final = 8

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class BusEphemerisRunners:
    """Implements `EphemerisRunners`."""

    def __init__(self, *, bus: Bus, time_limit_s: float) -> None:
        self._bus = bus
        self._time_limit_s = time_limit_s
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def night(self, question: NightQuestion, correlation_id: str) -> SiteNight:
        asked = SiteNightRequested(
            latitude_deg=question.latitude_deg,
            longitude_deg=question.longitude_deg,
            height_m=question.height_m,
            air=question.air,
            unix_s=question.unix_s,
            utc_offset_s=question.utc_offset_s,
            answer_within_s=self._time_limit_s,
            correlation_id=correlation_id,
            producer=SERVICE,
        )
        return await self._answer(asked, SiteNight)

    async def moon_passages(self, question: MoonQuestion, correlation_id: str) -> MoonPassages:
        asked = MoonPassagesRequested(
            **asdict(question),
            answer_within_s=self._time_limit_s,
            correlation_id=correlation_id,
            producer=SERVICE,
        )
        return await self._answer(asked, MoonPassages)

    async def _answer(self, question: EphemerisQuestion, kind: type[AnswerT]) -> AnswerT:
        """Return what a runner says. Raises `UsageError`, `TransientError`."""
        try:
            async with asyncio.timeout(self._time_limit_s):
                await self._places.acquire()
        except TimeoutError:
            raise TransientError("too many ask for the Sun and the Moon; try again in a moment") from None
        try:
            raw = await self._bus.ask(question, within_s=self._time_limit_s, max_bytes=_LARGEST_ANSWER_BYTES)
            head = AnalysisAnswered.decode(raw.head)
            if head.failure is None:
                return kind.model_validate_json(raw.body)
        except NobodyThereError:
            raise TransientError("no runner is there to look for the Sun and the Moon; try again in a moment") from None
        except NoAnswerError:
            raise TransientError("no runner found the Sun and the Moon in time") from None
        except ValidationError as error:
            raise TransientError(f"a runner's answer cannot be read: {explain_validation(error)}") from error
        finally:
            self._places.release()
        match head.failure:
            case FailureKind.USAGE | FailureKind.LIMIT:
                raise UsageError(head.message)
            case FailureKind.TRANSIENT:
                raise TransientError(head.message)
            case _:
                raise RuntimeError(f"a runner failed: {head.message}")
