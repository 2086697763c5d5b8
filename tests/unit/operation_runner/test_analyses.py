"""Analyses: what is asked of whom, and what is told when it takes too long."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import ClassVar

import pytest

from datalab.errors import TransientError, UsageError
from datalab.events.analysis import AnalysisRequested
from datalab.events.object_keys import rendering_key
from datalab.events.operations import InputFile
from operation_runner.analysing.model import TooLateError
from operation_runner.analysing.service import Analyses
from operation_runner.downloads.making import Making, UnfinishedError
from operation_runner.offers.describing import checked, offered
from operation_runner.sdk.analysis import Analysis, AnalysisParameters, Cutting, Glimpsing, Part, Rendering

FILE = InputFile(source="archive", basename="f1", key="data/f1.fits", sha256="ab" * 32, size_bytes=10)


class Look(Analysis):
    name = "look"
    description = "Looks."

    class Parameters(AnalysisParameters):
        times: int
        where: str
        hard: bool = True

    def analyse(self, image, parameters):
        raise AssertionError("not here")


class Paint(Rendering):
    name = "paint"
    description = "Paints."
    version = 3
    link = "picture_url"
    extension = ".png"
    media_type = "image/png"

    class Parameters(AnalysisParameters):
        colour: str = "red"

    def render(self, image, parameters, target):
        raise AssertionError("not here")


class Peek(Glimpsing):
    name = "peek"
    description = "Peeks."
    Parameters = AnalysisParameters

    def glimpse(self, image, parameters):
        raise AssertionError("not here")


class Snip(Cutting):
    name = "snip"
    description = "Snips."
    Parameters = AnalysisParameters

    def cut(self, image, parameters):
        raise AssertionError("not here")


class Inputs:
    """A cache whose files arrive when they are let in."""

    def __init__(self, folder):
        self.folder = folder
        self.arrives = asyncio.Event()
        self.arrives.set()
        self.error = None
        self.pinned_now = 0
        self.fetches = 0

    @contextlib.asynccontextmanager
    async def pinned(self, files):
        if not self.arrives.is_set():
            self.fetches += 1
        await self.arrives.wait()
        if self.error is not None:
            raise self.error
        self.pinned_now += 1
        try:
            yield {(file.source, file.basename): self.folder / file.sha256 for file in files}
        finally:
            self.pinned_now -= 1

    @contextlib.asynccontextmanager
    async def work_dir(self):
        yield self.folder


class Analyst:
    """Remembers jobs; renders nothing but the bytes of a text."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.jobs = []
        self.times = []
        self.parts = []
        self.only_whole = False

    async def analyse(self, job, *, within_s):
        assert self.inputs.pinned_now == 1
        self.jobs.append(job)
        self.times.append(within_s)
        if job.target is not None:
            job.target.write_bytes(b"painted")
        return b'{"answer": 42}'

    async def cut(self, job, *, read, within_s):
        assert self.inputs.pinned_now == 0
        self.parts.append(await read(3, 4))
        return None if self.only_whole else Part(b"part", "image/fits")

    async def glimpse(self, job, *, within_s):
        assert self.inputs.pinned_now == 1
        return Part(b"of some rows", "image/fits")


class Files:
    def __init__(self):
        self.kept: dict[str, tuple[bytes, str]] = {}
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def has(self, key):
        return key in self.kept

    async def keep(self, key, path, *, media_type):
        await self.goes_on.wait()
        self.kept[key] = (path.read_bytes(), media_type)


class Actions:
    """The actions of this file, known in this very process."""

    ALL: ClassVar = {"look": Look(), "paint": Paint(), "snip": Snip(), "peek": Peek()}
    actions: ClassVar = list(ALL)

    def find_action(self, name):
        return offered(self.ALL[name]) if name in self.ALL else None

    async def check(self, action, parameters):
        return checked(self.ALL[action], parameters)


class Lease:
    note = ""

    async def renew(self):
        pass

    async def release(self):
        pass


class Leases:
    renew_every_s = 60.0

    async def take(self, key):
        return Lease()

    async def note(self, key):
        return ""


class Parts:
    async def read(self, file, etag, offset, length):
        return f"{etag} {offset} {length}".encode()


class Lab:
    def __init__(self, folder):
        self.inputs = Inputs(folder)
        self.analyst = Analyst(self.inputs)
        self.files = Files()
        self.making = Making(files=self.files, leases=Leases())
        self.analyses = Analyses(
            actions=Actions(),
            inputs=self.inputs,
            analyst=self.analyst,
            renderer=self.analyst,
            files=self.files,
            making=self.making,
            parts=Parts(),
        )

    async def ask(self, action="look", *, within_s=5.0, **parameters):
        request = AnalysisRequested(
            action=action, parameters=parameters, file=FILE, etag="tag", answer_within_s=within_s
        )
        return await self.analyses.answer(request)


@pytest.fixture
async def lab(tmp_path):
    lab = Lab(tmp_path)
    yield lab
    await lab.analyses.stop()
    await lab.making.stop()


async def test_a_question_is_asked_with_every_default(lab, tmp_path):
    result = await lab.ask(times=2, where="here", noise="ignored")
    assert json.loads(result.body) == {"answer": 42}
    (job,) = lab.analyst.jobs
    assert job.parameters == {"times": 2, "where": "here", "hard": True}
    assert (job.file, job.path, job.target) == (FILE, Path(tmp_path / FILE.sha256), None)
    assert 4 < lab.analyst.times[0] < 5  # some of the time is for the way back
    assert lab.inputs.pinned_now == 0


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "'times', 'where' are missing"),
        ({"times": 1}, "'where' is missing"),
        ({"times": "x", "where": ""}, "'times' is wrong: Input should be a valid integer"),
    ],
)
async def test_wrong_parameters_are_named_before_anything_is_fetched(lab, parameters, text):
    lab.inputs.arrives.clear()
    with pytest.raises(UsageError, match=text):
        await lab.ask(**parameters)
    assert lab.inputs.fetches == 0


async def test_an_unknown_action_is_refused(lab):
    with pytest.raises(UsageError, match="'guess' not found"):
        await lab.ask("guess")


async def test_a_file_that_comes_too_late_is_there_the_next_time(lab):
    lab.inputs.arrives.clear()
    for _ in range(2):
        with pytest.raises(TooLateError, match=r"^Download of f1 timed out$"):
            await lab.ask(times=1, where="", within_s=0.05)
    assert lab.inputs.fetches == 1  # the second question waited for the first one's copy
    lab.inputs.arrives.set()
    await lab.ask(times=1, where="")


@pytest.mark.parametrize("error", [UsageError("gone"), TransientError("away")])
async def test_a_file_that_cannot_be_fetched_is_told_and_tried_again(lab, error):
    lab.inputs.error = error
    with pytest.raises(type(error), match=error.message):
        await lab.ask(times=1, where="")
    lab.inputs.error = None
    await lab.ask(times=1, where="")


async def test_stopping_gives_up_what_is_still_fetched(lab):
    before = asyncio.all_tasks()
    lab.inputs.arrives.clear()
    with pytest.raises(TooLateError):
        await lab.ask(times=1, where="", within_s=0.05)
    await lab.analyses.stop()
    assert asyncio.all_tasks() <= before


async def test_a_rendering_is_made_once_for_the_same_parameters_and_linked(lab):
    results = [await lab.ask("paint", colour=colour) for colour in ("red", "red", "blue")]
    links = [result.links["picture_url"] for result in results]
    keys = [
        rendering_key(sha256=FILE.sha256, action="paint", version=3, extension=".png", parameters={"colour": colour})
        for colour in ("red", "red", "blue")
    ]
    assert [link.key for link in links] == keys
    assert {(link.media_type, link.filename) for link in links} == {("image/png", "f1.png")}
    assert lab.files.kept == dict.fromkeys(keys, (b"painted", "image/png"))
    assert [job.parameters for job in lab.analyst.jobs] == [{"colour": "red"}, {"colour": "blue"}]


async def test_what_is_stored_is_linked_without_its_file(lab):
    await lab.ask("paint")
    lab.inputs.arrives.clear()
    await lab.ask("paint")
    assert lab.inputs.fetches == 0


async def test_a_rendering_that_is_not_ready_in_time_is_there_the_next_time(lab):
    lab.files.goes_on.clear()
    with pytest.raises(UnfinishedError, match="still being made"):
        await lab.ask("paint", within_s=0.1)
    lab.files.goes_on.set()
    await lab.ask("paint")
    assert len(lab.analyst.jobs) == 1


async def test_what_some_rows_are_enough_for_waits_for_no_more(lab):
    result = await lab.ask("peek")
    assert (result.body, result.media_type) == (b"of some rows", "image/fits")
    assert lab.analyst.jobs == []


@pytest.mark.parametrize(
    ("only_whole", "answer"),
    [(False, (b"part", "image/fits")), (True, (b'{"answer": 42}', "application/json"))],
)
async def test_a_part_is_read_where_the_file_is_unless_it_is_needed_as_a_whole(lab, only_whole, answer):
    lab.analyst.only_whole = only_whole
    result = await lab.ask("snip")
    assert (result.body, result.media_type) == answer
    assert lab.analyst.parts == [b"tag 3 4"]
