"""Questions on the bus, and answers of any size."""

import asyncio
import contextlib

import pytest

from datalab.errors import UNKNOWN_ERROR_MESSAGE, TransientError, UsageError
from datalab.events.analysis import AnalysisAnswered, AnalysisRequested, LinkedObject, analysis_subject
from datalab.events.operations import FailureKind, InputFile
from datalab.events.topology import ANALYSTS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.requests import PART_BYTES, Answer, NoAnswerError, NobodyThereError, Responder
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.settings import NatsSettings
from support.waiting import until

FILE = InputFile(source="archive", basename="f1", key="data/f1.fits", sha256="ab" * 32, size_bytes=10)


def question(**parameters):
    return AnalysisRequested(action="look", parameters=parameters, file=FILE, answer_within_s=60)


@contextlib.asynccontextmanager
async def connected(registry=None, **options):
    bus = Bus(settings=NatsSettings(), service="test", metrics=BusMetrics(registry or create_registry()), **options)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture(scope="module")
async def bus(module_settings_environment):
    async with connected() as bus:
        yield bus


def responder(answer, *, concurrency=10):
    return Responder(
        group=ANALYSTS,
        subject=analysis_subject("look"),
        decode=lambda _, body: AnalysisRequested.decode(body),
        answer=answer,
        refuse=lambda kind, message: AnalysisAnswered(failure=kind, message=message),
        concurrency=concurrency,
    )


@contextlib.asynccontextmanager
async def answering(answer, *, registry=None, **options):
    async with connected(registry, graceful_timeout_s=options.pop("grace_s", 1.0)) as other:
        await other.respond(responder(answer, **options))
        yield other


async def ask(bus, event=None, *, within_s=60.0, max_bytes=10**9):
    answer = await bus.ask(event or question(), within_s=within_s, max_bytes=max_bytes)
    return AnalysisAnswered.decode(answer.head), answer.body


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 9_000_000])
async def test_an_answer_arrives_whole(bus, size):
    body = bytes(range(256)) * (size // 256 + 1)
    link = LinkedObject(key="k", media_type="image/tiff", filename="f.tif")

    async def answer(request):
        assert request.parameters == {"x": 1}
        return Answer(AnalysisAnswered(links={"url": link}), body[:size])

    async with answering(answer):
        head, arrived = await ask(bus, question(x=1))
    assert head.links == {"url": link}
    assert arrived == body[:size]


async def test_nobody_there_is_known_at_once(bus):
    with pytest.raises(NobodyThereError):
        await ask(bus)


async def test_one_of_the_group_answers(bus):
    asked = []

    def of(name):
        async def answer(request):
            asked.append(name)
            return Answer(AnalysisAnswered(message=name))

        return answer

    async with answering(of("one")), answering(of("two")):
        names = [(await ask(bus))[0].message for _ in range(30)]
    assert asked == names
    assert set(names) == {"one", "two"}


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (UsageError("That cannot work."), FailureKind.USAGE, "That cannot work."),
        (TransientError("away"), FailureKind.TRANSIENT, "away"),
        (ZeroDivisionError("secret internals"), FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE),
    ],
)
async def test_a_failure_is_answered_too(bus, raised, kind, message):
    async def answer(request):
        raise raised

    registry = create_registry()
    async with answering(answer, registry=registry):
        head, body = await ask(bus)
        assert (head.failure, head.message, body) == (kind, message, b"")
        counted = {"consumer": ANALYSTS.name, "outcome": str(kind)}
        await until(lambda: registry.get_sample_value("datalab_bus_messages_handled_total", counted) == 1)


async def test_an_unreadable_question_is_answered(bus):
    class Unreadable(AnalysisRequested):
        def encode(self):
            return b"no JSON"

    async def answer(request):
        raise AssertionError("nothing to answer")

    event = Unreadable(action="look", parameters={}, file=FILE, answer_within_s=60)
    async with answering(answer):
        head, _ = await ask(bus, event)
    assert (head.failure, head.message) == (FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)


async def test_who_is_late_is_not_waited_for(bus):
    async def answer(request):
        await asyncio.sleep(60)

    async with answering(answer, grace_s=0.0):
        with pytest.raises(NoAnswerError):
            await ask(bus, within_s=0.1)


async def test_more_questions_than_can_be_in_hand_are_refused(bus):
    release = asyncio.Event()

    async def answer(request):
        await release.wait()
        return Answer(AnalysisAnswered())

    async with answering(answer, concurrency=3):
        asking = [asyncio.create_task(ask(bus)) for _ in range(5)]
        await until(lambda: sum(task.done() for task in asking) == 2)
        refused = [task.result()[0] for task in asking if task.done()]
        release.set()
        answered = [head for head, _ in await asyncio.gather(*asking)]
    assert [head.failure for head in refused] == [FailureKind.TRANSIENT] * 2
    assert sum(head.failure is None for head in answered) == 3


async def test_an_answer_beyond_the_limit_is_not_read(bus):
    async def answer(request):
        return Answer(AnalysisAnswered(), bytes(10_000))

    async with answering(answer):
        with pytest.raises(TransientError, match="10000 bytes"):
            await ask(bus, max_bytes=9999)


async def test_who_stopped_waiting_stops_the_sending(bus, monkeypatch):
    monkeypatch.setattr("datalab.platform.bus.requests._PART_TIMEOUT_S", 0.2)
    registry = create_registry()

    async def answer(request):
        return Answer(AnalysisAnswered(), bytes(50 * PART_BYTES))

    async with answering(answer, registry=registry):
        with pytest.raises(TransientError):
            await ask(bus, max_bytes=10)
        not_taken = {"consumer": ANALYSTS.name, "outcome": "not taken"}
        await until(lambda: registry.get_sample_value("datalab_bus_messages_handled_total", not_taken) == 1)


async def test_stopping_lets_an_answer_in_hand_finish(bus):
    entered = asyncio.Event()

    async def answer(request):
        entered.set()
        await asyncio.sleep(0.2)
        return Answer(AnalysisAnswered(message="done"))

    async with answering(answer):
        asking = asyncio.create_task(ask(bus))
        await entered.wait()
    assert (await asking)[0].message == "done"
    with pytest.raises(NobodyThereError):
        await ask(bus)


async def test_questions_are_answered_after_the_server_came_back(bus, nats_server):
    async def answer(request):
        return Answer(AnalysisAnswered(message="here"))

    async with answering(answer):
        await nats_server.kill()
        await nats_server.restart()

        async def answered():
            with contextlib.suppress(TransientError):
                return (await ask(bus, within_s=1))[0].message == "here"

        await until(answered)
