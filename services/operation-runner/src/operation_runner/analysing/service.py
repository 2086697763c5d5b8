"""Answers analyses: finds the action, has the file here, has it looked at, all within the time somebody waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from datalab.errors import UsageError
from datalab.events.analysis import AnalysisRequested, LinkedObject
from datalab.events.object_keys import rendering_key
from datalab.events.operations import InputFile
from datalab.platform.tasks import end_tasks
from operation_runner.analysing.model import Actions, AnalysisJob, Analyst, RenderedFiles, TooLateError
from operation_runner.inputs.model import InputCache
from operation_runner.offers.model import RenderingKind

#: What of the time the way of the answer takes at most; so a text of ours arrives before who asked gives up.
_TRAVEL_PART = 0.05
#: A file that did not arrive in time is fetched to its end all the same, for the next question, but not for ever.
_LONGEST_FETCH_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """A JSON text, and links that belong into it."""

    body: bytes = b"{}"
    links: dict[str, LinkedObject] = field(default_factory=dict)


class Analyses:
    """The analysis actions of this runner."""

    def __init__(self, *, actions: Actions, inputs: InputCache, analyst: Analyst, files: RenderedFiles) -> None:
        self._actions = actions
        self._inputs = inputs
        self._analyst = analyst
        self._files = files
        #: By checksum: a second question about the same file waits for the first one's copy.
        self._fetches: dict[str, asyncio.Task[None]] = {}

    @property
    def actions(self) -> list[str]:
        """The names of the actions there are."""
        return list(self._actions.actions)

    async def answer(self, request: AnalysisRequested) -> AnalysisResult:
        """Return the answer. Raises `UsageError`, `TransientError`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + request.answer_within_s * (1 - _TRAVEL_PART)
        action = self._actions.find_action(request.action)
        if action is None:
            raise UsageError(f"Analysis action {request.action!r} not found")
        parameters = await self._actions.check(action.name, request.parameters)
        await self._fetched(request.file, within_s=end - loop.time())
        async with self._inputs.pinned([request.file]) as paths:
            job = AnalysisJob(
                action=action.name,
                parameters=parameters,
                file=request.file,
                path=paths[request.file.source, request.file.basename],
            )
            if action.rendering is not None:
                return await self._rendered(action.rendering, job, end)
            return AnalysisResult(body=await self._analyst.analyse(job, within_s=end - loop.time()))

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

    async def _rendered(self, kind: RenderingKind, job: AnalysisJob, end: float) -> AnalysisResult:
        loop = asyncio.get_running_loop()
        file = job.file
        key = rendering_key(sha256=file.sha256, action=job.action, version=kind.version, extension=kind.extension)
        try:
            async with asyncio.timeout_at(end), self._inputs.work_dir() as folder:
                if not await self._files.has(key):
                    target = folder / f"rendering{kind.extension}"
                    rendering = AnalysisJob(
                        action=job.action, parameters=job.parameters, file=file, path=job.path, target=target
                    )
                    await self._analyst.analyse(rendering, within_s=end - loop.time())
                    await self._files.keep(key, target, media_type=kind.media_type)
        except TimeoutError:
            raise TooLateError(f"{file.basename} could not be stored in time") from None
        linked = LinkedObject(key=key, media_type=kind.media_type, filename=f"{file.basename}{kind.extension}")
        return AnalysisResult(links={kind.link: linked})
