"""Whatever the order in which things happen: each event once, in order, none missing, and a bounded queue."""

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.errors import TransientError
from datalab.events.feed import SessionAccessChanged, SessionDeleted
from session_api.accounts.authentication import Authenticator
from session_api.feed.admission import FeedAdmission
from session_api.feed.hub import FeedHub
from session_api.feed.live import LiveStatuses
from session_api.feed.model import ClientGoneError, CloseCode, FeedClosedError, session_subject
from session_api.feed.settings import FeedSettings
from session_api.operations.session_rights import Role
from session_api.web.failures import AuthenticationError
from support.feed_fakes import MemoryChannel, MemoryStream, Metrics
from support.waiting import until

OWNERS = {1: "ada", 2: "ada", 3: "ada", 4: "bob"}
LIMIT = 4


class Accounts:
    away = False
    active = True

    async def find_any_by_token_hash(self, _digest, *, now):
        from session_api.accounts.model import Account, Grant

        if self.away:
            raise TransientError("the document store does not answer")
        return Grant(Account(username="ada", active=self.active, superuser=False, proposals=(), created=now))


class Sessions:
    """Implements the part of `SessionAccess` that the feed needs; a test shares, takes away and deletes."""

    def __init__(self):
        self.roles_of_ada = {number: Role.OWNER for number, owner in OWNERS.items() if owner == "ada"}
        self.deleted = set()
        self.links = {}
        self.away = False
        self.asked = 0

    async def roles(self, caller, ids, *, also_deleted=False):
        self.asked += 1
        if self.away:
            raise TransientError("the document store does not answer")
        opened = {self.links[caller.link_hash]: Role.VIEWER} if caller.link_hash in self.links else {}
        known = (self.roles_of_ada if caller.username == "ada" else {}) | opened
        return {each: known[each] for each in ids if each in known and (also_deleted or each not in self.deleted)}

    async def open_link(self, link):
        if link not in self.links:
            raise AuthenticationError("Invalid link.")
        return link


class SilentBus:
    """Implements `Broadcasts`; a test hands over what is said itself."""

    async def listen(self, subject, on_message):
        self.say = on_message


class Talk:
    """A hub and one client."""

    def __init__(self, stream, **limits):
        self.stream = stream
        self.metrics = Metrics()
        self.accounts = Accounts()
        self.channel = MemoryChannel()
        self.sessions = Sessions()
        self.shown = {"authorization": "Token t"}
        limits = FeedSettings(**({"feed_queue_events": LIMIT} | limits))
        self.hub = FeedHub(stream=stream, settings=limits, metrics=self.metrics)
        self.live = LiveStatuses(SilentBus())
        self.service = FeedAdmission(
            hub=self.hub,
            live=self.live,
            authenticator=Authenticator(users=self.accounts, admin_token=None, timeout_s=5),
            sessions=self.sessions,
            settings=limits,
            metrics=self.metrics,
        )
        self.ending = None

    @contextlib.asynccontextmanager
    async def going_on(self):
        await self.hub.start()
        self.ending = asyncio.create_task(self._converse())
        try:
            yield self
        finally:
            self.channel.leave()
            self.channel.reading.set()
            await self.ending
            await self.hub.stop()

    async def _converse(self):
        try:
            await self.service.converse(self.channel, **{"authorization": None, **self.shown}, address="here")
        except FeedClosedError as closing:
            return closing
        except ClientGoneError:
            return None


def events(frames):
    return [frame for frame in frames if frame["type"] == "event"]


step = st.one_of(
    st.tuples(st.just("store"), st.sampled_from([1, 2, 3])),
    st.tuples(st.just("store"), st.sampled_from([1, 2, 3])),
    st.tuples(st.just("pump"), st.integers(1, 5)),
    st.tuples(st.just("subscribe"), st.sampled_from([1, 2, 3])),
    st.tuples(st.just("resume"), st.tuples(st.sampled_from([1, 2, 3]), st.integers(-2, 8))),
    st.tuples(st.just("unsubscribe"), st.sampled_from([1, 2, 3])),
    st.tuples(st.just("stall"), st.booleans()),
    st.tuples(st.just("turns"), st.integers(1, 40)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(step, max_size=60))
def test_any_history(history):
    asyncio.run(play(history))


async def play(history):
    stream = MemoryStream()
    async with Talk(stream).going_on() as talk:
        for action, value in history:
            await act(talk, action, value)
        talk.channel.reading.set()
        await stream.pump()
        talk.channel.say(action="ping", id="last")
        ended = asyncio.create_task(asyncio.wait([talk.ending]))
        calm = asyncio.create_task(talk.channel.heard(lambda frames: {"type": "pong", "id": "last"} in frames))
        await asyncio.wait([ended, calm], return_when=asyncio.FIRST_COMPLETED)
        if calm.done():
            await until_delivered(talk)
        calm.cancel()
        ended.cancel()
        closing = talk.ending.result() if talk.ending.done() else None
    assert closing is None or closing.code is CloseCode.TOO_SLOW
    assert talk.metrics.value("queue_high_water") <= LIMIT
    assert talk.metrics.value("clients") == 0
    check(talk.channel.frames, stream, whole=closing is None)


async def act(talk, action, value):
    match action:
        case "store":
            talk.stream.store(session_subject(value))
        case "pump":
            await talk.stream.pump(value)
        case "subscribe":
            talk.channel.say(action="subscribe", sessions=[value])
        case "resume":
            session_id, age = value
            resume = {"epoch": "first", "sequence": max(0, len(talk.stream.messages) - age)}
            talk.channel.say(action="subscribe", sessions=[session_id], resume=resume)
        case "unsubscribe":
            talk.channel.say(action="unsubscribe", sessions=[value])
        case "stall":
            talk.channel.reading.clear() if value else talk.channel.reading.set()
        case "turns":
            for _ in range(value):
                await asyncio.sleep(0)


async def until_delivered(talk):
    """The pong came before what was still in the queue; one more turn of question and answer for each event."""
    for number in itertools.count():
        before = len(events(talk.channel.frames))
        talk.channel.say(action="ping", id=number)
        await talk.channel.heard(lambda frames, number=number: {"type": "pong", "id": number} in frames)
        for _ in range(3 * LIMIT + 10):
            await asyncio.sleep(0)
        if len(events(talk.channel.frames)) == before:
            return


def check(frames, stream, *, whole):
    """Read the frames as a client does, and compare with what is stored."""
    wanted = {}
    position = 0
    for frame in frames:
        if frame["type"] in {"subscribed", "unsubscribed"}:
            position = frame.get("sequence", position)
            for session_id in set(frame["sessions"]) - set(wanted):
                wanted[session_id] = position
            for session_id in set(wanted) - set(frame["sessions"]):
                del wanted[session_id]
        elif frame["type"] == "event":
            session_id, sequence = frame["event"]["session_id"], frame["sequence"]
            assert session_id in wanted, "heard without a subscription"
            assert sequence > position, "out of order"
            missing = [
                message.sequence
                for message in stream.messages
                if message.subject == session_subject(session_id) and wanted[session_id] < message.sequence < sequence
            ]
            assert missing == [], "a hole"
            assert sequence > wanted[session_id], "twice"
            wanted[session_id] = position = sequence
    if whole:
        for session_id, heard_to in wanted.items():
            later = [m.sequence for m in stream.messages[heard_to:] if m.subject == session_subject(session_id)]
            assert later == [], "not all was sent"


async def test_a_store_that_is_away_at_the_start_means_try_again_later():
    talk = Talk(MemoryStream())
    talk.accounts.away = True
    async with talk.going_on():
        closing = await talk.ending
    assert closing.code is CloseCode.TRY_AGAIN_LATER


async def test_a_store_that_is_away_later_changes_nothing():
    talk = Talk(MemoryStream(), feed_token_check_s=0.001)
    asked = asyncio.Event()
    find = talk.accounts.find_any_by_token_hash

    async def find_and_tell(digest, **options):
        asked.set()
        return await find(digest, **options)

    talk.accounts.find_any_by_token_hash = find_and_tell
    async with talk.going_on():
        await talk.channel.heard(bool)
        talk.accounts.away = True
        for _ in range(3):
            asked.clear()
            await asyncio.wait_for(asked.wait(), 5)
        talk.channel.say(action="ping")
        await talk.channel.heard(lambda frames: {"type": "pong"} in frames)
        talk.accounts.away, talk.accounts.active = False, False
        closing = await talk.ending
    assert closing.code is CloseCode.UNAUTHENTICATED


async def test_a_bus_that_is_away_when_resuming_means_try_again_later():
    talk = Talk(MemoryStream())
    async with talk.going_on():
        await talk.channel.heard(bool)
        talk.stream.away = True
        talk.channel.say(action="subscribe", sessions=[1], resume={"epoch": "first", "sequence": 0})
        closing = await talk.ending
    assert closing.code is CloseCode.TRY_AGAIN_LATER


@pytest.mark.parametrize("sequence", [0, 5])
async def test_a_hub_that_is_behind_repeats_nothing_another_process_sent(sequence):
    """The client has heard more than this process: what it has is not sent again when the hub gets there."""
    talk = Talk(MemoryStream(), feed_queue_events=100)
    async with talk.going_on():
        for _ in range(10):
            talk.stream.store(session_subject(1))
        await talk.stream.pump(3)
        talk.channel.say(action="subscribe", sessions=[1], resume={"epoch": "first", "sequence": sequence})
        await talk.stream.pump()
        await talk.channel.heard(lambda frames: len(events(frames)) == 10 - sequence)
    assert [frame["sequence"] for frame in events(talk.channel.frames)] == list(range(sequence + 1, 11))


async def test_the_watch_wakes_a_follower_that_fell_behind():
    talk = Talk(MemoryStream(), feed_watch_interval_s=0.001)
    async with talk.going_on():
        talk.stream.store(session_subject(1))
        await asyncio.wait_for(talk.stream.resumed.wait(), 5)
        await talk.stream.pump()
        assert talk.hub.sequence == 1


async def test_the_watch_outlives_a_bus_that_is_away_and_follows_the_new_stream():
    talk = Talk(MemoryStream(), feed_watch_interval_s=0.001)
    async with talk.going_on():
        talk.stream.away = True
        await talk.stream.refusals(3)
        talk.stream.away, talk.stream.epoch, talk.stream.failing_starts = False, "second", 2
        closing = await talk.ending
        assert closing.code is CloseCode.SERVICE_RESTART
        assert talk.hub.epoch == "second"
        assert talk.stream.failing_starts == 0


async def test_events_that_overtake_the_answer_about_the_streams_end_are_no_new_stream():
    talk = Talk(MemoryStream(), feed_watch_interval_s=0.001)
    async with talk.going_on():

        async def an_event_arrives():
            talk.stream.store(session_subject(1))
            await talk.stream.pump()

        talk.stream.while_position_travels = an_event_arrives
        looks = talk.stream.positions_told
        await until(lambda: talk.stream.positions_told >= looks + 3 or talk.ending.done())
        assert not talk.ending.done()
        assert talk.hub.sequence == len(talk.stream.messages) >= 3


async def test_a_stream_shorter_than_what_was_heard_begins_anew():
    talk = Talk(MemoryStream(), feed_watch_interval_s=0.001)
    async with talk.going_on():
        talk.stream.store(session_subject(1))
        await talk.stream.pump()
        talk.stream.messages.clear()
        closing = await talk.ending
    assert closing.code is CloseCode.SERVICE_RESTART


NO_SESSION = {"type": "error", "detail": "No DataSession matches the given query.", "sessions": [4]}


def shared_event(kind, session_id=4):
    return kind(session_id=session_id, owner="bob")


async def tell(talk, *events):
    """Have the hub hear events of session 4, bob's."""
    for event in events:
        talk.stream.say(event)
    await talk.stream.pump()


async def barrier(talk, name):
    """Wait until all that was said before has been dealt with."""
    talk.channel.say(action="ping", id=name)
    await talk.channel.heard(lambda frames: {"type": "pong", "id": name} in frames)
    await until_delivered(talk)


async def test_a_guest_hears_a_session_until_it_is_taken_away_and_is_told_so():
    talk = Talk(MemoryStream())
    talk.sessions.roles_of_ada[4] = Role.VIEWER
    async with talk.going_on():
        talk.channel.say(action="subscribe", sessions=[4, 1])
        await talk.channel.heard(lambda frames: any(frame["type"] == "subscribed" for frame in frames))
        talk.stream.store(session_subject(4))
        await talk.stream.pump()
        await talk.channel.heard(lambda frames: len(events(frames)) == 1)
        del talk.sessions.roles_of_ada[4]
        talk.stream.store(session_subject(4))
        talk.stream.store(session_subject(4))
        talk.stream.store(session_subject(1))
        await talk.stream.pump()
        await talk.channel.heard(lambda frames: len(events(frames)) == 2)
        talk.channel.say(action="subscribe", sessions=[4])
        await talk.channel.heard(lambda frames: frames.count(NO_SESSION) == 2)
        talk.channel.say(action="unsubscribe", sessions=[1])
        await talk.channel.heard(lambda frames: frames[-1] == {"type": "unsubscribed", "sessions": [], "sites": []})
    assert [frame["event"]["session_id"] for frame in events(talk.channel.frames)] == [4, 1]


async def test_what_was_stored_before_is_not_read_back_by_who_is_a_guest_no_longer():
    talk = Talk(MemoryStream(), feed_queue_events=100)
    talk.sessions.roles_of_ada[4] = Role.EDITOR
    async with talk.going_on():
        for _ in range(3):
            talk.stream.store(session_subject(4))
        await talk.stream.pump()
        await talk.channel.heard(bool)
        talk.channel.reading.clear()
        talk.channel.say(action="subscribe", sessions=[4], resume={"epoch": "first", "sequence": 0})
        await until(lambda: talk.sessions.asked)
        del talk.sessions.roles_of_ada[4]
        talk.channel.reading.set()
        await talk.channel.heard(lambda frames: NO_SESSION in frames)
        await barrier(talk, "end")
    assert events(talk.channel.frames) == []


async def test_of_sessions_of_ones_own_nobody_is_asked_until_somebody_says_that_it_changed():
    talk = Talk(MemoryStream(), feed_queue_events=100)
    async with talk.going_on():
        talk.channel.say(action="subscribe", sessions=[1])
        await talk.channel.heard(lambda frames: any(frame["type"] == "subscribed" for frame in frames))
        asked = talk.sessions.asked
        talk.stream.store(session_subject(1))
        await talk.stream.pump()
        await talk.channel.heard(lambda frames: len(events(frames)) == 1)
        assert talk.sessions.asked == asked
        talk.sessions.roles_of_ada[1] = Role.EDITOR  # it was given away
        await tell(talk, shared_event(SessionAccessChanged, 1))
        await talk.channel.heard(lambda frames: len(events(frames)) == 2)
        del talk.sessions.roles_of_ada[1]
        talk.stream.store(session_subject(1))
        await talk.stream.pump()
        await talk.channel.heard(lambda frames: {**NO_SESSION, "sessions": [1]} in frames)
    assert len(events(talk.channel.frames)) == 2


async def test_a_guest_of_a_silent_session_is_told_in_time_that_it_is_closed():
    talk = Talk(MemoryStream(), feed_token_check_s=0.001)
    talk.sessions.roles_of_ada[4] = Role.VIEWER
    async with talk.going_on():
        talk.channel.say(action="subscribe", sessions=[4, 1])
        await talk.channel.heard(lambda frames: any(frame["type"] == "subscribed" for frame in frames))
        talk.sessions.away = True
        asked = talk.sessions.asked
        await until(lambda: talk.sessions.asked > asked + 1)
        talk.sessions.away = False
        del talk.sessions.roles_of_ada[4]
        await talk.channel.heard(lambda frames: NO_SESSION in frames)
        talk.channel.say(action="unsubscribe", sessions=[2])
        await talk.channel.heard(lambda frames: frames[-1] == {"type": "unsubscribed", "sessions": [1], "sites": []})
    assert talk.channel.frames.count(NO_SESSION) == 1


async def test_a_guest_hears_that_the_session_is_deleted():
    talk = Talk(MemoryStream())
    talk.sessions.roles_of_ada[4] = Role.VIEWER
    async with talk.going_on():
        talk.channel.say(action="subscribe", sessions=[4])
        await talk.channel.heard(lambda frames: any(frame["type"] == "subscribed" for frame in frames))
        talk.sessions.deleted.add(4)
        await tell(talk, shared_event(SessionDeleted))
        await talk.channel.heard(lambda frames: len(events(frames)) == 1)
        await barrier(talk, "end")
    assert NO_SESSION not in talk.channel.frames


async def test_a_guest_hears_nothing_while_nobody_can_say_whether_he_may():
    talk = Talk(MemoryStream())
    talk.sessions.roles_of_ada[4] = Role.VIEWER
    async with talk.going_on():
        talk.channel.say(action="subscribe", sessions=[4])
        await talk.channel.heard(lambda frames: any(frame["type"] == "subscribed" for frame in frames))
        talk.sessions.away = True
        talk.stream.store(session_subject(4))
        await talk.stream.pump()
        closing = await talk.ending
    assert closing.code is CloseCode.TRY_AGAIN_LATER
    assert events(talk.channel.frames) == []


@pytest.mark.parametrize("shown", [{"link": "l"}, {}, {"authorization": "Token t", "link": "l"}], ids=str)
async def test_who_has_a_link_hears_its_session_and_no_other(shown):
    talk = Talk(MemoryStream())
    talk.shown, talk.sessions.links = shown, {"l": 4}
    async with talk.going_on():
        if not shown:
            talk.channel.say(action="authenticate", link="l")
        talk.channel.say(action="subscribe", sessions=[1, 4])
        (welcome, *_) = await talk.channel.heard(lambda frames: any(frame["type"] == "subscribed" for frame in frames))
        talk.stream.store(session_subject(1))
        talk.stream.store(session_subject(4))
        await talk.stream.pump()
        known = "authorization" in shown
        await talk.channel.heard(lambda frames: len(events(frames)) == 1 + known)
    assert welcome["user"] == ("ada" if known else "")
    assert [frame["event"]["session_id"] for frame in events(talk.channel.frames)] == ([1, 4] if known else [4])


async def test_a_link_that_was_revoked_ends_the_connection_and_opens_no_other():
    talk = Talk(MemoryStream(), feed_token_check_s=0.001)
    talk.shown, talk.sessions.links = {"link": "l"}, {"l": 4}
    async with talk.going_on():
        await talk.channel.heard(bool)
        talk.sessions.links.clear()
        closing = await talk.ending
    assert (closing.code, closing.reason) == (CloseCode.UNAUTHENTICATED, "Invalid link.")
    again = Talk(MemoryStream())
    again.shown = {"link": "l"}
    async with again.going_on():
        closing = await again.ending
    assert closing.code is CloseCode.UNAUTHENTICATED
    assert again.channel.frames == []


async def test_who_shows_nothing_in_the_first_frame_is_refused():
    talk = Talk(MemoryStream())
    talk.shown = {}
    async with talk.going_on():
        talk.channel.say(action="authenticate")
        closing = await talk.ending
    assert closing.code is CloseCode.UNAUTHENTICATED
