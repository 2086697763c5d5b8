"""What a site says of its devices: merged, timed, told to those who listen no more often than they can look."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from datalab.errors import OutageError
from datalab.events.site_status import SiteStatusChanged
from session_api.feed.client_queue import ClientQueue
from session_api.feed.live import LiveStatuses
from session_api.status.known_statuses import KnownStatuses
from session_api.status.live import StatusTeller
from session_api.status.model import SiteStatus, combined, is_named, merged, weather_is_good, with_timestamps
from support.feed_fakes import Metrics
from support.waiting import PATIENCE_S

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def say(former, said, at, kind="device", **more):
    return merged(kind, former, with_timestamps(kind, said, at), now=NOW, **more)


def test_each_value_of_a_device_has_its_time_and_what_is_not_sent_again_stays():
    first = say({}, {"mount": {"mount_1": {"ra": 1.5, "message": ""}}, "note": "x"}, 1000)
    assert first == {
        "mount": {"mount_1": {"ra": {"val": 1.5, "timestamp": 1000}, "message": {"val": "-", "timestamp": 1000}}},
        "note": "x",
    }
    second = say(first, {"mount": {"mount_1": {"ra": 2}, "mount_2": {"ra": 3}}}, 2000)
    assert second == {
        "mount": {
            "mount_1": {"ra": {"val": 2, "timestamp": 2000}, "message": {"val": "-", "timestamp": 1000}},
            "mount_2": {"ra": {"val": 3, "timestamp": 2000}},
        },
        "note": "x",
    }


@pytest.mark.parametrize("said", [{"owm_report": '{"a": 1}'}, {"a": None}, {"a": [1, {"b": ""}]}, {"a": {"b": "c"}}])
def test_what_is_no_device_stays_as_it_is(said):
    assert say({"a": {"b": {"c": 1}}, "owm_report": "old"}, said, 1)[next(iter(said))] == next(iter(said.values()))


@pytest.mark.parametrize("late", [False, True])
def test_a_value_that_is_an_object_is_merged_too(late):
    first = say({}, {"camera": {"c": {"filter": {"name": "V", "slot": 1}}}}, 1)
    second = say(first, {"camera": {"c": {"filter": {"slot": 2}}}}, 2, late=late)
    assert second["camera"]["c"]["filter"] == {"val": {"name": "V", "slot": 2}, "timestamp": 2}


def test_what_comes_late_does_not_undo_what_was_said_after_it():
    newer = say({}, {"mount": {"m": {"ra": 2, "dec": 2}}}, 2000)
    late = say(newer, {"mount": {"m": {"ra": 1, "alt": 1}}}, 1000, late=True)
    values = {name: value["val"] for name, value in late["mount"]["m"].items()}
    assert values == {"ra": 2, "dec": 2, "alt": 1}
    odd = {"a": {"b": {"c": {"timestamp": "x"}}}}
    assert say(odd, {"a": {"b": {"c": 1}}}, 5, late=True)["a"]["b"]["c"]["val"] == 1


def forecast(hours, **more):
    return {"utc_long_form": (NOW + timedelta(hours=hours)).isoformat(), **more}


def test_forecasts_are_kept_by_their_time_for_four_days():
    first = say({}, {"forecast": [forecast(-97), forecast(-1, wind=1), forecast(1)]}, 1, kind="forecast")
    assert first == {"forecast": [forecast(-1, wind=1), forecast(1)]}
    second = say(first, {"forecast": [forecast(-1, wind=2), forecast(2), "odd", {"no": "time"}]}, 2, kind="forecast")
    assert second == {"forecast": [forecast(-1, wind=2), forecast(1), forecast(2)]}
    assert say(second, {"forecast": None}, 3, kind="forecast") == second


@pytest.mark.parametrize(
    ("value", "good"),
    [(True, True), ("Yes", True), ("true", True), ("No", False), (False, False), ("-", False), (1, None), (None, None)],
)
def test_whether_the_weather_is_good_is_what_the_first_station_says(value, good):
    status = say({}, {"observing_conditions": {"a": {"wx_ok": value}, "b": {"wx_ok": True}}}, 1)
    assert weather_is_good(status) is good


@pytest.mark.parametrize("status", [{}, {"observing_conditions": {}}, {"observing_conditions": [1]}])
def test_without_a_station_nothing_is_known_of_the_weather(status):
    assert weather_is_good(say({}, status, 1)) is None


def test_all_kinds_are_one_status():
    one = combined([("device", 5, {"mount": 1}), ("weather", 9, {"observing_conditions": 2})], "tst")
    assert one == {
        "site": "tst",
        "statusType": "combined",
        "latest_status_timestamp_ms": 9,
        "status_age_timestamps_ms": {"device": 5, "weather": 9},
        "status": {"mount": 1, "observing_conditions": 2},
    }
    assert combined([], "tst")["latest_status_timestamp_ms"] == 0


@pytest.mark.parametrize(
    ("site", "kind", "named"),
    [
        ("tst", "device", True),
        ("tst", "complete_status", False),
        ("tst", "clear_all_status", False),
        ("phase_status", "device", False),
        ("a.b", "device", False),
        ("tst", "", False),
        ("tst", "device\n", False),
    ],
)
def test_what_sites_and_kinds_can_be_called(site, kind, named):
    assert is_named(site, kind) is named


def status(site="tst", kind="device", *, text="{}", timestamp_ms=1):
    return SiteStatus(
        status_id=f"{site}/{kind}", site=site, kind=kind, status=text, server_timestamp_ms=timestamp_ms, mark="m"
    )


def test_known_statuses_are_bounded_by_their_bytes():
    known = KnownStatuses(most_bytes=10)
    known.put(status(kind="a", text="x" * 6))
    known.put(status(kind="a", text="y" * 6))
    assert known.get("tst/a").status == "y" * 6
    known.put(status(kind="b", text="z" * 6))
    assert (known.get("tst/a"), known.get("tst/b").status) == (None, "z" * 6)
    known.forget("tst/b")
    known.put(status(kind="c", text="w" * 10))
    assert known.get("tst/c") is not None


class Bus:
    """Remembers what is broadcast."""

    def __init__(self):
        self.events = asyncio.Queue()
        self.away = False
        self.refused = asyncio.Event()

    async def broadcast(self, *, subject, body):
        if self.away:
            self.refused.set()
            raise OutageError("the bus does not answer")
        event = SiteStatusChanged.decode(body)
        assert event.subject == subject
        self.events.put_nowait(event)

    async def listen(self, subject, on_message):
        self.subject = subject
        self.on_message = on_message


async def told(bus):
    async with asyncio.timeout(PATIENCE_S):
        return await bus.events.get()


async def test_the_newest_is_told_and_what_came_in_between_is_not():
    bus = Bus()
    teller = StatusTeller(bus=bus, interval_s=0.01)
    await teller.start()
    try:
        for number in range(1, 101):
            teller.tell(status(timestamp_ms=number, text=f'{{"n": {number}}}'))
        first = await told(bus)
        assert (first.site, first.kind, first.status, first.server_timestamp_ms) == ("tst", "device", {"n": 100}, 100)
        assert bus.events.empty()
        bus.away = True
        teller.tell(status(timestamp_ms=101))
        teller.tell(status(kind="weather", timestamp_ms=102))
        async with asyncio.timeout(PATIENCE_S):
            await bus.refused.wait()
        teller.tell(status(timestamp_ms=103))
        bus.away = False
        assert [(await told(bus)).server_timestamp_ms for _ in range(2)] == [103, 102]
    finally:
        teller.tell(status(timestamp_ms=104))
        await teller.stop()
    assert (await told(bus)).server_timestamp_ms == 104


def queue():
    return ClientQueue(max_events=2, max_bytes=100, metrics=Metrics())


async def test_only_the_newest_of_each_kind_waits_for_a_client_that_is_slow():
    bus = Bus()
    live = LiveStatuses(bus)
    await live.start()
    assert bus.subject == "datalab.site-status.changed.v1.*"
    mine, other = queue(), queue()
    live.attach(mine, "tst")
    live.attach(other, "mrc")
    for number in range(50):
        for kind in ("device", "weather"):
            event = SiteStatusChanged(site="tst", kind=kind, status={"n": number}, server_timestamp_ms=number)
            await bus.on_message(event.subject, event.encode())
    await bus.on_message(event.subject, b"nonsense")
    assert (mine.has_work, other.has_work) == (True, False)
    heard = [mine.pop_status(), mine.pop_status()]
    assert [(each.event.kind, each.event.server_timestamp_ms) for each in heard] == [("device", 49), ("weather", 49)]
    assert (mine.pop_status(), mine.has_work) == (None, False)
    event = SiteStatusChanged(site="mrc", kind="x", status={}, server_timestamp_ms=1)
    await bus.on_message(event.subject, event.encode())
    live.remove(other)
    assert not other.has_work
    live.remove(mine)
    event = event.model_copy(update={"site": "tst"})
    await bus.on_message(event.subject, event.encode())
    assert not mine.has_work


async def test_what_another_process_tells_late_does_not_take_the_place_of_a_newer_status():
    bus = Bus()
    live, mine = LiveStatuses(bus), queue()
    await live.start()
    live.attach(mine, "tst")
    tellers = [StatusTeller(bus=bus, interval_s=PATIENCE_S) for _ in range(2)]

    async def hand_on():
        event = await told(bus)
        await bus.on_message(event.subject, event.encode())
        heard = mine.pop_status()
        return heard and (heard.event.kind, heard.event.server_timestamp_ms)

    for teller in tellers:
        await teller.start()
    tellers[0].tell(status(kind="weather", timestamp_ms=1))
    assert await hand_on() == ("weather", 1)
    tellers[0].tell(status(timestamp_ms=1))  # waits: something has been told just now
    tellers[1].tell(status(timestamp_ms=2))
    assert await hand_on() == ("device", 2)
    for teller in tellers:
        await teller.stop()
    assert await hand_on() is None
    live.remove(mine)
    live.attach(mine, "tst")
    event = SiteStatusChanged(site="tst", kind="device", status={}, server_timestamp_ms=1)
    await bus.on_message(event.subject, event.encode())
    assert mine.has_work
