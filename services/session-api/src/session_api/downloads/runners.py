"""The runners, as far as they make files: asked again and again until a file is there, or patience ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pydantic import JsonValue, ValidationError

from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.analysis import AnalysisAnswered, AnalysisRequested, LinkedObject
from datalab.events.archives import ArchiveRequested
from datalab.events.envelope import Event
from datalab.events.operations import FailureKind
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.requests import NoAnswerError, NobodyThereError
from session_api import SERVICE
from session_api.downloads.model import StillBeingMadeError, StoredFile

#: A question is asked anew after this: its runner may have been ended, and another one goes on.
_ROUND_S = 8.0
#: Parts of images asked for at once: each comes whole into the memory of this process.
_PARTS_AT_ONCE = 8
#: No answer comes in less.
_LEAST_S = 0.05


class Runners:
    """Every method raises `UsageError`, `TransientError`, and `StillBeingMadeError` when it takes too long."""

    def __init__(self, *, bus: Bus, patience_s: float, max_answer_bytes: int) -> None:
        self._bus = bus
        self._patience_s = patience_s
        self._max_answer_bytes = max_answer_bytes
        self._parts = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def rendered(
        self, file: StoredFile, action: str, parameters: Mapping[str, JsonValue], *, correlation_id: str
    ) -> LinkedObject:
        """Return where a file made of another one is."""

        def question(within_s: float) -> Event:
            return _question(file, action, parameters, correlation_id, within_s)

        head, _ = await self._answered(question, self._end())
        (linked,) = head.links.values()
        return linked

    async def part(
        self, file: StoredFile, parameters: Mapping[str, JsonValue], *, correlation_id: str
    ) -> tuple[bytes, str]:
        """Return a part of an image as a file, and its media type."""

        def question(within_s: float) -> Event:
            return _question(file, "cutout", parameters, correlation_id, within_s)

        end = self._end()
        try:
            async with asyncio.timeout_at(end):
                await self._parts.acquire()
        except TimeoutError:
            raise TransientError("too many parts of images are being made; try again in a moment") from None
        try:
            head, body = await self._answered(question, end)
        finally:
            self._parts.release()
        return body, head.media_type

    async def archived(self, key: str, list_key: str, *, correlation_id: str) -> None:
        """Have an archive stored whose list is stored."""

        def question(within_s: float) -> Event:
            return ArchiveRequested(
                key=key,
                list_key=list_key,
                answer_within_s=within_s,
                correlation_id=correlation_id,
                producer=SERVICE,
            )

        await self._answered(question, self._end())

    def _end(self) -> float:
        """Return when patience ends, by the clock of the event loop."""
        return asyncio.get_running_loop().time() + self._patience_s

    async def _answered(self, question: Callable[[float], Event], end: float) -> tuple[AnalysisAnswered, bytes]:
        loop = asyncio.get_running_loop()
        said = "it is still being made"
        while (left_s := end - loop.time()) > _LEAST_S:
            round_s = min(left_s, _ROUND_S)
            try:
                raw = await self._bus.ask(question(round_s), within_s=round_s, max_bytes=self._max_answer_bytes)
                head = AnalysisAnswered.decode(raw.head)
            except NobodyThereError:
                raise TransientError("no runner is there to make files; try again in a moment") from None
            except NoAnswerError:
                continue
            except ValidationError as error:
                raise TransientError(f"a runner's answer cannot be read: {explain_validation(error)}") from error
            if head.pending:
                said = head.message
                continue
            _raise_failure(head)
            return head, raw.body
        raise StillBeingMadeError(said)


def _raise_failure(head: AnalysisAnswered) -> None:
    match head.failure:
        case None:
            return
        case FailureKind.USAGE | FailureKind.LIMIT:
            raise UsageError(head.message)
        case FailureKind.TRANSIENT:
            raise TransientError(head.message)
        case FailureKind.FATAL:
            raise RuntimeError(f"a runner failed: {head.message}")


def _question(
    file: StoredFile, action: str, parameters: Mapping[str, JsonValue], correlation_id: str, within_s: float
) -> AnalysisRequested:
    return AnalysisRequested(
        action=action,
        parameters=dict(parameters),
        file=file.as_input(),
        etag=file.etag,
        answer_within_s=within_s,
        correlation_id=correlation_id,
        producer=SERVICE,
    )
