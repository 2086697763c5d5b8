"""Analyses in the session API: who may ask about what, what is asked of a runner, what the client is told."""

import asyncio
import base64
import gzip
import json

import pytest

from datalab.errors import TransientError
from datalab.events.analysis import AnalysisAnswered, AnalysisDescribed
from datalab.events.operations import FailureKind, InputFile, OutputFile, StoredFile
from session_api.analysis.model import AnalysisError, AnswerTimedOutError, RunnersAnswer
from session_api.analysis.pictures import Pictures
from session_api.analysis.service import AnalysisService
from session_api.operations.inputs import FoundFile, NamedFile
from session_api.web.failures import InputRefusedError
from session_api.web.user import User
from support.waiting import until

ALICE = User("alice")
LOOK = AnalysisDescribed(action="look", description="", parameters_schema={})


class Finder:
    """Finds everything, unless told otherwise."""

    def __init__(self):
        self.asked = []
        self.pictures = {}
        self.error = None

    async def find_picture(self, caller, named, *, now):
        return self.pictures.get((caller, named))

    async def find(self, caller, named, *, now):
        if self.error is not None:
            raise self.error
        self.asked += [(caller, file) for file in named]
        return {
            file: FoundFile(
                file=InputFile(source=file.source, basename=file.basename, key="k", sha256="ab" * 32, size_bytes=1),
                filter_name=None,
            )
            for file in named
        }


class Runners:
    """Knows one action; answers as told, when told."""

    def __init__(self):
        self.requests = []
        self.head = AnalysisAnswered()
        self.body = b'{"answer":42}'
        self.error = None
        self.release = asyncio.Event()
        self.release.set()
        self.running = self.most_running = 0

    async def find(self, action):
        return LOOK if action in {"look", "get-tif", "get-jpg"} else None

    async def described(self):
        return [LOOK]

    async def ask(self, request):
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.release.wait()
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return RunnersAnswer(self.head, self.body)


class Links:
    def sign_get(self, key, *, content_type=None, filename=None):
        return f"signed:{key}:{content_type}:{filename}"


class Objects:
    async def get_bytes(self, key, *, max_bytes):
        assert max_bytes > 10 * 1024**2
        return f"bytes of {key}".encode()


class Desk:
    def __init__(self, **changes):
        self.finder = Finder()
        self.runners = Runners()
        limits = {"time_limit_s": 10.0, "concurrency": 2} | changes
        self.service = AnalysisService(
            finder=self.finder,
            runners=self.runners,
            pictures=Pictures(objects=Objects(), links=Links()),
            links=Links(),
            **limits,
        )

    async def ask(self, action="look", **form):
        answer = await self.answer(action, **form)
        return await answer.unpacked()

    async def answer(self, action, **form):
        return await self.service.analyse(ALICE, action, form, correlation_id="corr-7")


@pytest.fixture
def desk():
    return Desk()


async def test_the_answer_is_handed_through_as_it_is(desk):
    assert await desk.ask(basename="f1-large", width=5) == b'{"answer":42}'
    assert desk.finder.asked == [(ALICE, NamedFile("archive", "f1"))]
    (request,) = desk.runners.requests
    assert (request.action, request.parameters, request.correlation_id) == ("look", {"width": 5}, "corr-7")
    assert request.file.basename == "f1"
    assert 9 < request.answer_within_s <= 10


async def test_links_are_signed_here(desk):
    linked = {"tif_url": {"key": "downloads/x.tif", "media_type": "image/tiff", "filename": "f1.tif"}}
    desk.runners.head = AnalysisAnswered(links=linked)
    answer = json.loads(await desk.ask(basename="f1", source="datalab"))
    assert answer == {"answer": 42, "tif_url": "signed:downloads/x.tif:image/tiff:f1.tif"}


async def test_a_compressed_answer_stays_so_and_can_be_read(desk):
    desk.runners.head = AnalysisAnswered(encoding="gzip")
    desk.runners.body = gzip.compress(b'{"answer":42}')
    answer = await desk.answer("look", basename="f1")
    assert (answer.body, answer.encoding) == (desk.runners.body, "gzip")
    assert await answer.unpacked() == b'{"answer":42}'
    linked = {"tif_url": {"key": "downloads/x.tif", "media_type": "image/tiff", "filename": "f1.tif"}}
    desk.runners.head = AnalysisAnswered(encoding="gzip", links=linked)
    assert json.loads(await desk.ask(basename="f1"))["answer"] == 42


def stored(key, media_type):
    return StoredFile(key=key, sha256="ab" * 32, size_bytes=1, media_type=media_type)


PICTURE = OutputFile(
    basename="rgb",
    type="image",
    files={"tif": stored("r/rgb.tif", "image/tiff"), "large": stored("r/rgb-large.jpg", "image/jpeg")},
)


async def test_what_a_picture_has_already_is_answered_without_a_runner(desk):
    desk.finder.pictures[ALICE, NamedFile("datalab", "rgb")] = PICTURE
    tif = json.loads(await desk.ask("get-tif", basename="rgb-large", source="datalab"))
    assert tif == {"tif_url": "signed:r/rgb.tif:image/tiff:rgb.tif"}
    jpg = json.loads(await desk.ask("get-jpg", basename="rgb", source="datalab", zmin=None, zmax=5))
    assert base64.b64decode(jpg["jpg_base64"]) == b"bytes of r/rgb-large.jpg"
    assert desk.runners.requests == []
    await desk.ask("look", basename="rgb", source="datalab")
    await desk.ask("get-tif", basename="f1")
    assert [request.action for request in desk.runners.requests] == ["look", "get-tif"]


async def test_a_picture_that_lacks_what_is_asked_for_is_told(desk):
    bare = PICTURE.model_copy(update={"files": {}})
    desk.finder.pictures[ALICE, NamedFile("datalab", "rgb")] = bare
    for action, text in (("get-tif", "no TIFF"), ("get-jpg", "no JPEG")):
        with pytest.raises(AnalysisError, match=f"^{action} Error: rgb has {text}$"):
            await desk.ask(action, basename="rgb", source="datalab")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "'basename' is missing"),
        ({"basename": ""}, "'basename' must be a text"),
        ({"basename": ["f1"]}, "'basename' must be a text"),
        ({"basename": "f" * 300}, "'basename' must be a text"),
        ({"basename": "f1", "source": "moon"}, "Source moon not recognized"),
        ({"basename": "f1", "source": {"a": 1}}, "not recognized"),
    ],
)
async def test_a_file_that_is_not_named_rightly_is_told(desk, form, text):
    with pytest.raises(AnalysisError, match=f"^look Error: .*{text}") as raised:
        await desk.ask(**form)
    assert raised.value.kind is FailureKind.USAGE
    assert desk.runners.requests == []


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (InputRefusedError("Could not find f1 in the archive"), FailureKind.USAGE, "Could not find f1 in the archive"),
        (TransientError("the store is away"), FailureKind.TRANSIENT, "the store is away"),
    ],
)
async def test_a_file_that_cannot_be_found_is_told(desk, error, kind, text):
    desk.finder.error = error
    with pytest.raises(AnalysisError) as raised:
        await desk.ask(basename="f1")
    assert (raised.value.kind, raised.value.message) == (kind, f"look Error: {text}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(AnswerTimedOutError("timed out"), FailureKind.USAGE), (TransientError("nobody"), FailureKind.TRANSIENT)],
)
async def test_no_answer_is_told(desk, error, kind):
    desk.runners.error = error
    with pytest.raises(AnalysisError, match=r"^look Error: ") as raised:
        await desk.ask(basename="f1")
    assert raised.value.kind is kind


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_what_a_runner_refuses_is_told(desk, kind):
    desk.runners.head = AnalysisAnswered(failure=kind, message="It is so.")
    with pytest.raises(AnalysisError, match=r"^look Error: It is so\.$") as raised:
        await desk.ask(basename="f1")
    assert raised.value.kind is kind


async def test_an_action_nobody_offers_is_not_found(desk):
    with pytest.raises(AnalysisError, match=r"^Analysis action 'x' not found$"):
        await desk.ask("x", basename="f1")
    assert desk.finder.asked == []


async def test_so_many_answers_and_no_more_are_on_their_way():
    desk = Desk(concurrency=2)
    desk.runners.release.clear()
    asking = [asyncio.create_task(desk.ask(basename=f"f{n}")) for n in range(5)]
    await until(lambda: desk.runners.running == 2)
    desk.runners.release.set()
    await asyncio.gather(*asking)
    assert desk.runners.most_running == 2


async def test_who_waits_for_his_turn_too_long_is_told():
    desk = Desk(concurrency=1, time_limit_s=0.1)
    desk.runners.release.clear()
    first = asyncio.create_task(desk.ask(basename="f1"))
    await until(lambda: desk.runners.running == 1)
    with pytest.raises(AnalysisError, match="too many analyses") as raised:
        await desk.ask(basename="f2")
    assert raised.value.kind is FailureKind.TRANSIENT
    desk.runners.release.set()
    await first
