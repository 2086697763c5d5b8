"""What an observatory says, before anybody stores it."""

import json
from types import SimpleNamespace

import pytest
import structlog

from datalab.errors import OutageError, TransientError, UsageError
from datalab.events.frames import FileStored
from datalab.events.operations import FailureKind
from datalab.platform.allowance import Allowance
from ingest.arrivals.gate import AnnouncementGate, Said, announcement_responder
from ingest.arrivals.refusals import Refusals
from support.ingest import MemoryPublisher

KEY = "data/tst-cam01-20260504-00000042-EX10.jpg"


class Store:
    """Keeps what is announced, once for each id; or is full."""

    def __init__(self):
        self.events = {}
        self.full = False

    async def publish_acknowledged(self, event):
        if self.full:
            raise OutageError("maximum messages per subject exceeded")
        duplicate = event.event_id in self.events
        self.events.setdefault(event.event_id, event)
        return SimpleNamespace(seq=len(self.events), duplicate=duplicate)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def told():
    return MemoryPublisher()


@pytest.fixture
def gate(store, told):
    return AnnouncementGate(
        store=store,
        refusals=Refusals(publisher=told, allowance=Allowance(per_s=1, burst_s=60)),
        allowance=Allowance(per_s=1e-9, burst_s=3e9),  # three, and no more
    )


def said(site="tst", **body):
    content = json.dumps({"site": site, "key": KEY, **body}).encode()
    return Said(site=site, body=content, correlation_id="c")


async def test_what_is_stored_says_the_same_under_an_id_of_the_site(gate, store):
    receipt = await gate.take(said(event_id="night/1", size_bytes=3))
    (event,) = store.events.values()
    assert (event.site, event.key, event.size_bytes) == ("tst", KEY, 3)
    assert event.event_id != "night/1"
    assert json.loads(receipt.encode()) == {"stream": "FILES", "seq": 1}


async def test_an_id_is_the_same_again_for_one_site_and_another_for_another(gate, store):
    await gate.take(said(event_id="night/1"))
    again = await gate.take(said(event_id="night/1"))
    other = await gate.take(said("mrc", event_id="night/1", key=KEY.replace("tst", "mrc")))
    assert (json.loads(again.encode()).get("duplicate"), json.loads(other.encode()).get("duplicate")) == (True, None)
    assert len(store.events) == 2


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"key": KEY.replace("tst", "mrc")}, "says site 'mrc', it was announced by 'tst'"),
        ({"key": "data/nonsense"}, "is neither"),
        ({"key": "data/a/b.fits"}, "is not data/<file name>"),
        ({"key": "data/x\u0000.fits"}, "cannot be printed"),
        ({"key": ""}, "not an announcement: String should have at least 1 character"),
        ({"size_bytes": -1}, "not an announcement: Input should be greater"),
        ({"event_id": "x" * 129}, "not an announcement: String should have at most 128"),
    ],
    ids=["another site", "no name", "a folder", "unprintable", "empty", "size", "long id"],
)
async def test_what_no_file_of_the_site_can_be_is_refused_and_told_and_not_stored(gate, store, told, body, complaint):
    with pytest.raises(UsageError, match=complaint):
        await gate.take(said(**body))
    (event,) = told.events.values()
    assert (event.site, complaint in event.reason) == ("tst", True)
    assert store.events == {}


async def test_too_much_is_refused_and_logged_once_and_others_are_heard(gate):
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            await gate.take(said(event_id=f"{number}"))
        for _ in range(5):
            with pytest.raises(TransientError, match="site tst announces too much at once"):
                await gate.take(said())
        await gate.take(said("mrc", key=KEY.replace("tst", "mrc")))
    assert [record["site"] for record in logs if record["event"] == "ingest.site_limited"] == ["tst"]


async def test_a_full_backlog_is_told_as_such(gate, store):
    store.full = True
    with pytest.raises(TransientError, match="maximum messages per subject exceeded"):
        await gate.take(said())


@pytest.mark.parametrize(
    ("kind", "code"), [(FailureKind.USAGE, 400), (FailureKind.TRANSIENT, 503), (FailureKind.FATAL, 500)]
)
def test_a_refusal_reads_like_one_of_jetstream(gate, kind, code):
    content = json.loads(announcement_responder(gate).refuse(kind, "why").encode())
    assert content == {"stream": "FILES", "seq": 0, "error": {"code": code, "description": "why"}}


def test_the_site_is_the_one_of_the_subject(gate):
    body = FileStored(site="mrc", key="data/x.fits").encode()
    assert announcement_responder(gate).decode("datalab.file.announced.v1.tst", body).site == "tst"
