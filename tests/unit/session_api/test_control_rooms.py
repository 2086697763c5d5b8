"""When a control room is due to be made anew, and what rooms on a host of meetings are called."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.errors import UsageError
from session_api.control_rooms.meeting import MeetingRooms
from session_api.control_rooms.model import LATEST_RESTART, restart_slots
from session_api.main import create_app
from session_api.settings import SessionApiSettings
from session_api.web.failures import RefusedError

MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year > 1)


@given(MOMENTS, st.integers(0, 23))
def test_a_slot_begins_on_the_stroke_of_its_hour_and_is_the_same_for_all_who_look(now, hour):
    slots = restart_slots({"tst": hour}, now)
    if slots:
        slot = slots["tst"]
        assert (slot.hour, slot.minute, slot.second, slot.microsecond) == (hour, 0, 0, 0)
        assert timedelta() <= now - slot < LATEST_RESTART
        assert restart_slots({"tst": hour}, slot) == slots
    else:
        assert now.hour not in {hour, (hour + 1) % 24}


def test_a_restart_before_midnight_is_done_after_it():
    now = datetime(2026, 12, 1, 0, 30, tzinfo=UTC)
    assert restart_slots({"saf": 23, "mrc": 22, "tst": 0, "aro": 1}, now) == {
        "saf": datetime(2026, 11, 30, 23, tzinfo=UTC),
        "tst": datetime(2026, 12, 1, tzinfo=UTC),
    }


async def test_nobody_guesses_a_meeting():
    rooms = MeetingRooms(url="https://meet.example/lab/", page_url="https://ui.example/")
    found = [await rooms.open_room("tst", None) for _ in range(100)]
    assert len({room.url for room in found}) == 100
    for room in found:
        assert room.url == f"https://meet.example/lab/{room.slug}"
        assert len(bytes.fromhex(room.slug.removeprefix("control-room-tst-"))) == 24
        assert room.config == {"url": "https://ui.example/cr/tst"}
    with pytest.raises(RefusedError, match="no account with RemoteHQ"):
        await rooms.open_browser(resolution="low", initial_url="https://ui.example")


def test_remotehq_without_a_token_is_said_at_the_start():
    with pytest.raises(UsageError, match="DATALAB_REMOTEHQ_TOKEN"):
        create_app(SessionApiSettings(control_room_provider="remotehq"))
