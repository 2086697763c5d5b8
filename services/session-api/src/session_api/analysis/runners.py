"""The runners over the bus: questions to them, and what they say of themselves."""

from __future__ import annotations

import re

import nats.js.errors
from pydantic import ValidationError

from datalab.errors import TransientError, explain_validation
from datalab.events.analysis import AnalysisAnswered, AnalysisDescribed, AnalysisRequested
from datalab.events.topology import ANALYSIS_OFFERS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import BUS_ERRORS
from datalab.platform.bus.requests import NoAnswerError, NobodyThereError
from datalab.platform.logging import get_logger
from session_api.analysis.model import AnswerTimedOutError, RunnersAnswer

_log = get_logger(__name__)

#: What may be asked of a key-value bucket: a client's text could mean several keys, or none the server takes.
_NAME = re.compile(r"[a-z0-9-]{1,64}")


class BusAnalysisRunners:
    """Implements `AnalysisRunners`."""

    def __init__(self, *, bus: Bus, max_answer_bytes: int) -> None:
        self._bus = bus
        self._max_answer_bytes = max_answer_bytes
        #: Actions do not go away, so one that was found need not be looked for again.
        self._found: dict[str, AnalysisDescribed] = {}

    async def find(self, action: str) -> AnalysisDescribed | None:
        if action not in self._found and _NAME.fullmatch(action):
            description = await self._read(action)
            if description is not None:
                self._found[action] = description
        return self._found.get(action)

    async def described(self) -> list[AnalysisDescribed]:
        bucket = await self._bus.key_value(ANALYSIS_OFFERS)
        try:
            names = await bucket.keys()
        except nats.js.errors.NoKeysError:
            return []
        except BUS_ERRORS as error:
            raise TransientError(f"the analysis actions cannot be listed: {error or type(error).__name__}") from error
        found = [await self._read(name) for name in sorted(names)]
        return [description for description in found if description is not None]

    async def ask(self, request: AnalysisRequested) -> RunnersAnswer:
        try:
            answer = await self._bus.ask(request, within_s=request.answer_within_s, max_bytes=self._max_answer_bytes)
            return RunnersAnswer(AnalysisAnswered.decode(answer.head), answer.body)
        except NobodyThereError:
            raise TransientError("no runner is there to look at images; try again in a moment") from None
        except NoAnswerError:
            raise AnswerTimedOutError(f"Analysis of {request.file.basename} timed out") from None
        except ValidationError as error:
            raise TransientError(f"a runner's answer cannot be read: {explain_validation(error)}") from error

    async def _read(self, action: str) -> AnalysisDescribed | None:
        bucket = await self._bus.key_value(ANALYSIS_OFFERS)
        try:
            entry = await bucket.get(action)
            return AnalysisDescribed.decode(entry.value or b"")
        except nats.js.errors.KeyNotFoundError:
            return None
        except ValidationError as error:
            _log.error("analysis.unreadable_entry", action=action, reason=explain_validation(error))
            return None
        except BUS_ERRORS as error:
            raise TransientError(f"the analysis actions cannot be read: {error or type(error).__name__}") from error
