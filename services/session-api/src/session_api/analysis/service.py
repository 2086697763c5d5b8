"""Analyses of one file: who asks may read it, a runner looks at it, the answer is handed through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from pydantic import JsonValue

from datalab.errors import TransientError, UsageError
from datalab.events.analysis import AnalysisDescribed, AnalysisRequested, LinkedObject
from datalab.events.envelope import utc_now
from datalab.events.operations import FailureKind, InputFile, InputSource
from datalab.platform.objects.links import Links
from session_api import SERVICE
from session_api.analysis.model import AnalysisError, AnalysisRunners, Answer, RunnersAnswer
from session_api.analysis.pictures import Pictures
from session_api.operations.input_finder import InputFinder
from session_api.operations.inputs import NamedFile
from session_api.web.failures import InputRefusedError
from session_api.web.user import User

_LONGEST_NAME = 256
#: How clients call the pictures of a file, which they show while they ask about the file itself.
_PICTURE_SUFFIXES = ("-large", "-small")

JsonObject = Mapping[str, JsonValue]


class AnalysisService:
    """What can be asked about one file."""

    def __init__(
        self,
        *,
        finder: InputFinder,
        runners: AnalysisRunners,
        pictures: Pictures,
        links: Links,
        time_limit_s: float,
        concurrency: int,
    ) -> None:
        self._finder = finder
        self._runners = runners
        self._pictures = pictures
        self._links = links
        self._time_limit_s = time_limit_s
        #: Bounds the memory that answers take on their way through.
        self._places = asyncio.Semaphore(concurrency)

    async def actions(self) -> list[AnalysisDescribed]:
        """Return every action there is. Raises `TransientError`."""
        return await self._runners.described()

    async def analyse(self, caller: User, action: str, form: JsonObject, *, correlation_id: str) -> Answer:
        """Return the answer. Raises `AnalysisError`."""
        try:
            if await self._runners.find(action) is None:
                raise AnalysisError(f"Analysis action '{action[:100]}' not found")
            named = _named_file(form)
            if self._pictures.answers(action):
                picture = await self._finder.find_picture(caller, named, now=utc_now())
                if picture is not None:
                    return Answer(await self._pictures.answer(action, picture))
            answer = await self._answered(caller, action, form, named, correlation_id)
        except InputRefusedError as error:
            raise AnalysisError(f"{action} Error: {error.text}") from error
        except UsageError as error:
            raise AnalysisError(f"{action} Error: {error.message}") from error
        except TransientError as error:
            raise AnalysisError(f"{action} Error: {error.message}", kind=FailureKind.TRANSIENT) from error
        head = answer.head
        if head.failure is not None:
            raise AnalysisError(f"{action} Error: {head.message}", kind=head.failure, pending=head.pending)
        given = Answer(answer.body, head.encoding, head.media_type)
        return Answer(self._linked(await given.unpacked(), head.links)) if head.links else given

    async def _answered(
        self, caller: User, action: str, form: JsonObject, named: NamedFile, correlation_id: str
    ) -> RunnersAnswer:
        end = asyncio.get_running_loop().time() + self._time_limit_s
        found = await self._finder.find(caller, [named], now=utc_now())
        try:
            async with asyncio.timeout_at(end):
                await self._places.acquire()
        except TimeoutError:
            raise TransientError("too many analyses are under way; try again in a moment") from None
        try:
            return await self._runners.ask(_request(action, form, found[named].file, end, correlation_id))
        finally:
            self._places.release()

    def _linked(self, body: bytes, links: Mapping[str, LinkedObject]) -> bytes:
        signed = {
            key: self._links.sign_get(linked.key, content_type=linked.media_type, filename=linked.filename)
            for key, linked in links.items()
        }
        return json.dumps({**json.loads(body), **signed}).encode()


def _request(action: str, form: JsonObject, file: InputFile, end: float, correlation_id: str) -> AnalysisRequested:
    return AnalysisRequested(
        action=action,
        parameters={key: value for key, value in form.items() if key not in {"basename", "source"}},
        file=file,
        # What is left of the time; a clock that ran out meanwhile is for the runner to notice.
        answer_within_s=max(end - asyncio.get_running_loop().time(), 0.001),
        correlation_id=correlation_id,
        producer=SERVICE,
    )


def _named_file(form: JsonObject) -> NamedFile:
    """Return the file a client asks about. Raises `UsageError`."""
    basename, source = form.get("basename"), form.get("source") or InputSource.ARCHIVE
    if basename is None:
        raise UsageError("'basename' is missing")
    if not isinstance(basename, str) or not 0 < len(basename) <= _LONGEST_NAME:
        raise UsageError(f"'basename' must be a text of 1 to {_LONGEST_NAME} characters")
    if source not in list(InputSource):
        raise UsageError(f"Source {str(source)[:100]} not recognized")
    for suffix in _PICTURE_SUFFIXES:
        basename = basename.removesuffix(suffix)
    return NamedFile(InputSource(source), basename)
