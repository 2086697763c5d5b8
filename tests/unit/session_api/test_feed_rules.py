"""Who may hear what, on which subject, in which frame."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import ValidationError
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from datalab.events.envelope import utc_now
from datalab.events.feed import (
    FileRefused,
    FrameChanged,
    InfoImageChanged,
    JobChanged,
    NightLogChanged,
    SessionChanged,
    SiteConfigured,
    SiteLogAdded,
    SitePhaseChanged,
)
from session_api.feed.model import FeedItem, may_hear, session_subject, site_subject, text_frame
from session_api.feed.protocol import ErrorFrame, Gap, Pong
from session_api.web.user import NOBODY, User

NOW = utc_now()
ADA, ROOT = User("ada", proposals=frozenset({"P1"})), User("root", superuser=True)
CAMERA = User("camera", ingested_sites=frozenset({"tst"}))


@dataclass
class Message:
    sequence: int
    subject: str
    body: bytes


def frame(**fields):
    return FrameChanged(site="tst", frame_id=1, basename="tst-1", roles=("fits",), **fields)


SAID = SiteLogAdded(site="tst", message="Opening", log_level="INFO", timestamp=1657000000)
AHEAD = SitePhaseChanged(site="tst", message="Flats", timestamp=1657000000.25)
SHOWN = InfoImageChanged(site="tst", channel=2, basename="tst-2", roles=("jpg_10",))


def test_subjects_are_those_the_events_are_published_on():
    assert session_subject(7) == SessionChanged(session_id=7, owner="ada", name="x").subject
    assert site_subject("tst") == frame().subject


@pytest.mark.parametrize(
    ("user", "event", "heard"),
    [
        # Of sessions it is asked who may look at them: see test_feed_conversation.
        (ADA, SessionChanged(session_id=7, owner="ada", name="x"), False),
        (ROOT, SessionChanged(session_id=7, owner="bob", name="x"), False),
        (ADA, frame(), False),
        (ADA, frame(proposal_id="P1"), True),
        (ADA, frame(public_date=NOW - timedelta(days=1), proposal_id="P2"), True),
        (ADA, frame(public_date=NOW + timedelta(days=1), proposal_id="P1"), True),
        (ADA, frame(public_date=NOW + timedelta(days=1), proposal_id="P2"), False),
        (ADA, frame(public_date=NOW + timedelta(days=1)), False),
        (ROOT, frame(public_date=NOW + timedelta(days=1), proposal_id="P2"), True),
        (ADA, FileRefused(site="tst", key="data/x", reason="y"), False),
        (ROOT, FileRefused(site="tst", key="data/x", reason="y"), True),
        (NOBODY, SHOWN, True),
        (NOBODY, SAID, True),
        (NOBODY, AHEAD, True),
        (NOBODY, SiteConfigured(site="tst", version=2), True),
        (ADA, NightLogChanged(site="tst", created_timestamp=1657000000), True),
        (NOBODY, frame(public_date=NOW - timedelta(days=1)), True),
        (NOBODY, frame(public_date=NOW + timedelta(days=1)), False),
        (NOBODY, frame(proposal_id=""), False),
        (NOBODY, FileRefused(site="tst", key="data/x", reason="y"), False),
        (CAMERA, FileRefused(site="tst", key="data/x", reason="y"), True),
        (CAMERA, FileRefused(site="mrc", key="data/x", reason="y"), False),
        (CAMERA, frame(), False),
    ],
)
def test_who_hears_what(user, event, heard):
    assert may_hear(user, event, lambda: NOW) is heard


def test_an_event_frame_holds_the_event_as_it_was_published():
    event = SessionChanged(session_id=7, owner="ada", name='Überraschung "M 31" \\')
    item = FeedItem.read(Message(12, event.subject, event.encode()))
    assert json.loads(item.text) == {"type": "event", "sequence": 12, "event": json.loads(event.encode())}
    assert item.event == event
    assert item.frame.endswith(item.text.encode())


@pytest.mark.parametrize(
    ("event", "topic", "data"),
    [
        (frame(image_changed=True), "imagedata", {"s3_directory": "data", "base_filename": "tst-1", "site": "tst"}),
        (
            SHOWN,
            "imagedata",
            {"s3_directory": "info-images", "base_filename": "tst-2", "site": "tst", "channel": 2},
        ),
        (
            SAID,
            "userstatus",
            {"site": "tst", "message": "Opening", "log_level": "INFO", "timestamp": "1657000000"},
        ),
        (AHEAD, "phase_status", {"site": "tst", "timestamp": 1657000000.25, "message": "Flats"}),
        (JobChanged(site="tst", job={"ulid": "1"}), "jobs", {"ulid": "1"}),
        (frame(), "", None),
        (FileRefused(site="tst", key="data/x", reason="y"), "", None),
        (SiteConfigured(site="tst", version=2), "", None),
        (NightLogChanged(site="tst", created_timestamp=1657000000), "", None),
    ],
)
def test_the_datastream_says_what_its_clients_know(event, topic, data):
    said = FeedItem.read(Message(12, event.subject, event.encode())).datastream
    if data is None:
        assert said is None
        return
    text, frame_bytes = said
    assert text == json.dumps({"site": "tst", "topic": topic, "data": data})
    assert frame_bytes == text_frame(text)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_frame_is_what_websockets_reads(size):
    text = "ü" * (size // 2) + "x" * (size % 2)
    reader = StreamReader()
    reader.feed_data(text_frame(text))
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as parsed:
        next(parsing)
    frame = parsed.value.value
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, text)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"type":"feed.unknown.v9"}', b"\xff"])
def test_what_is_no_event_is_not_read(body):
    with pytest.raises(ValidationError):
        FeedItem.read(Message(1, "datalab.feed.v1.session.7", body))


def test_server_frames_leave_out_what_has_no_value():
    assert json.loads(Gap(first=1, last=2, detail="gone").encode()) == {
        "type": "gap",
        "from": 1,
        "to": 2,
        "detail": "gone",
    }
    assert json.loads(Pong().encode()) == {"type": "pong"}
    assert json.loads(ErrorFrame(detail="no").encode()) == {"type": "error", "detail": "no"}
