"""Answers analyses: finds the action, has the file here, has it looked at, all within the time somebody waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pydantic import JsonValue

from datalab.errors import UsageError
from datalab.events.analysis import AnalysisRequested, LinkedObject
from datalab.events.object_keys import rendering_key
from datalab.events.operations import InputFile
from datalab.platform.tasks import end_tasks
from operation_runner.analysing.model import (
    Actions,
    AnalysisJob,
    Analyst,
    FileParts,
    PartJob,
    RenderedFiles,
    Renderer,
    TooLateError,
)
from operation_runner.downloads.making import Making, Progress
from operation_runner.inputs.model import InputCache
from operation_runner.offers.model import RenderingKind
from operation_runner.sdk.analysis import Part

#: What of the time the way of the answer takes at most; so a text of ours arrives before who asked gives up.
_TRAVEL_PART = 0.05
#: A file that did not arrive in time is fetched to its end all the same, for the next question, but not for ever.
_LONGEST_FETCH_S = 300.0
#: Packing the largest cameras' images takes half a minute.
_LONGEST_RENDERING_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """A JSON text, and links that belong into it; or a file, as its type says."""

    body: bytes = b"{}"
    media_type: str = "application/json"
    links: dict[str, LinkedObject] = field(default_factory=dict)


class Analyses:
    """The analysis actions of this runner."""

    def __init__(
        self,
        *,
        actions: Actions,
        inputs: InputCache,
        analyst: Analyst,
        renderer: Renderer,
        files: RenderedFiles,
        making: Making,
        parts: FileParts,
    ) -> None:
        """`renderer` is apart from `analyst`: nobody who looks at an image waits for one that is made to be saved."""
        self._actions = actions
        self._inputs = inputs
        self._analyst = analyst
        self._renderer = renderer
        self._files = files
        self._making = making
        self._parts = parts
        #: By checksum: a second question about the same file waits for the first one's copy.
        self._fetches: dict[str, asyncio.Task[None]] = {}

    @property
    def actions(self) -> list[str]:
        """The names of the actions there are."""
        return list(self._actions.actions)

    async def answer(self, request: AnalysisRequested) -> AnalysisResult:
        """Return the answer. Raises `UsageError`, `TransientError`, also `UnfinishedError`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + request.answer_within_s * (1 - _TRAVEL_PART)
        action = self._actions.find_action(request.action)
        if action is None:
            raise UsageError(f"Analysis action {request.action!r} not found")
        parameters = await self._actions.check(action.name, request.parameters)
        if action.rendering is not None:
            return await self._rendered(action.rendering, action.name, parameters, request.file, end)
        if action.in_parts:
            return await self._part(action.name, parameters, request, end)
        await self._fetched(request.file, within_s=end - loop.time())
        async with self._inputs.pinned([request.file]) as paths:
            job = AnalysisJob(
                action=action.name,
                parameters=parameters,
                file=request.file,
                path=paths[request.file.source, request.file.basename],
            )
            look = self._analyst.glimpse if action.glimpsed else self._analyst.analyse
            return _result(await look(job, within_s=end - loop.time()))

    async def start(self) -> None:
        """Nothing begins before it is asked for."""

    async def stop(self) -> None:
        """Give up what is still being fetched."""
        await end_tasks(*self._fetches.values())

    async def _fetched(self, file: InputFile, *, within_s: float) -> None:
        """Have the file here. Raises `TooLateError` and goes on in the background when it takes too long."""
        fetch = self._fetches.get(file.sha256)
        if fetch is None:
            fetch = self._fetches[file.sha256] = asyncio.create_task(self._fetch(file))
            fetch.add_done_callback(lambda _: self._fetches.pop(file.sha256))
        done, _ = await asyncio.wait([fetch], timeout=within_s)
        if not done:
            raise TooLateError(f"Download of {file.basename} timed out")
        fetch.result()

    async def _fetch(self, file: InputFile) -> None:
        async with asyncio.timeout(_LONGEST_FETCH_S), self._inputs.pinned([file]):
            pass

    async def _rendered(
        self, kind: RenderingKind, action: str, parameters: dict[str, JsonValue], file: InputFile, end: float
    ) -> AnalysisResult:
        """Return the link to a file, made unless it is there. Raises `UnfinishedError` when that takes longer."""
        key = rendering_key(
            sha256=file.sha256,
            action=action,
            version=kind.version,
            extension=kind.extension,
            parameters=parameters,
        )

        async def make(_: Progress) -> None:
            async with self._inputs.pinned([file]) as paths, self._inputs.work_dir() as folder:
                target = folder / f"rendering{kind.extension}"
                path = paths[file.source, file.basename]
                job = AnalysisJob(action=action, parameters=parameters, file=file, path=path, target=target)
                await self._renderer.analyse(job, within_s=_LONGEST_RENDERING_S)
                await self._files.keep(key, target, media_type=kind.media_type)

        await self._making.made(key, make, until=end)
        linked = LinkedObject(key=key, media_type=kind.media_type, filename=f"{file.basename}{kind.extension}")
        return AnalysisResult(links={kind.link: linked})

    async def _part(
        self, action: str, parameters: dict[str, JsonValue], request: AnalysisRequested, end: float
    ) -> AnalysisResult:
        """Return a part of an image; the file is fetched as a whole only if it cannot be read in parts."""
        loop = asyncio.get_running_loop()
        file = request.file
        job = PartJob(action=action, parameters=parameters, file=file)

        async def read(offset: int, length: int) -> bytes:
            return await self._parts.read(file, request.etag, offset, length)

        part: bytes | Part | None = await self._analyst.cut(job, read=read, within_s=end - loop.time())
        if part is None:
            await self._fetched(file, within_s=end - loop.time())
            async with self._inputs.pinned([file]) as paths:
                whole = AnalysisJob(
                    action=action, parameters=parameters, file=file, path=paths[file.source, file.basename]
                )
                part = await self._analyst.analyse(whole, within_s=end - loop.time())
        return _result(part)


def _result(answer: bytes | Part) -> AnalysisResult:
    if isinstance(answer, Part):
        return AnalysisResult(body=answer.body, media_type=answer.media_type)
    return AnalysisResult(body=answer)
