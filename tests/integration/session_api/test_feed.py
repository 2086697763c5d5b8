"""The websocket feed on a real bus, over real connections."""

import asyncio
import uuid

import pytest
from websockets.asyncio.client import connect

from datalab.client.feed import FeedClient, FeedRefusedError
from datalab.events.envelope import utc_now
from datalab.events.feed import FileRefused, SessionDeleted
from datalab.events.topology import FEED
from datalab.platform.bus.topology import apply_topology
from support.feed import Raw, feed_servers, frame_changed, operation_changed, raw, take, three_accounts
from support.servers import delete_streams
from support.waiting import until


@pytest.fixture
def accounts():
    return three_accounts()


@pytest.fixture
async def start(nats_server, accounts):
    async with feed_servers(nats_server, accounts) as start_server:
        yield start_server


@pytest.fixture
async def server(start):
    return await start()


def client_of(server, user="ada"):
    return FeedClient(server.url, token=f"token-{user}")


# --- who are you? ---------------------------------------------------------------------------------------------


async def test_a_token_in_the_handshake_is_welcomed(server):
    async with raw(server, "ada") as client:
        assert await client.hear() == {"type": "welcome", "epoch": server.hub.epoch, "sequence": 0, "user": "ada"}


async def test_a_token_in_the_first_frame_is_welcomed(server):
    async with raw(server) as client:
        await client.say(action="authenticate", token="token-bob")
        assert (await client.hear())["user"] == "bob"


async def test_a_wrong_token_is_refused_with_the_reason(server):
    async with raw(server, "nobody") as client:
        assert await client.end() == (4401, "Invalid token.")
    async with raw(server) as client:
        await client.say(action="authenticate", token="guess")
        assert await client.end() == (4401, "Invalid token.")


@pytest.mark.parametrize("first", ['{"action":"subscribe","sites":["tst"]}', "hello", "[]"])
async def test_nothing_is_obeyed_before_the_token(server, first):
    async with raw(server) as client:
        await client.connection.send(first)
        code, reason = await client.end()
        assert code == 4401
        assert "authenticate" in reason


async def test_a_token_in_the_query_string_is_not_accepted(start):
    server = await start(feed_authentication_timeout_s=0.1)
    async with connect(f"{server.url}?token=token-ada", proxy=None) as connection:
        code, reason = await Raw(connection).end()
    assert code == 4401
    assert reason.startswith("no token in time")


async def test_a_deactivated_user_is_let_go(start, accounts):
    server = await start(feed_token_check_s=0.05)
    async with raw(server, "ada") as client:
        await client.hear()
        accounts.add("ada", active=False)
        assert await client.end() == (4401, "User inactive or deleted.")
    assert server.metric("feed_clients_closed_total", reason="unauthenticated") == 1
    assert server.metric("feed_clients") == 0


async def test_a_client_too_many_is_turned_away_and_has_room_later(start):
    server = await start(feed_max_clients=1)
    async with raw(server, "ada") as first:
        await first.hear()
        async with raw(server, "bob") as second:
            code, _ = await second.end()
            assert code == 4429
    await until(lambda: server.metric("feed_clients") == 0)
    async with raw(server, "bob") as second:
        assert (await second.hear())["type"] == "welcome"


# --- what clients say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1]",
        "null",
        '{"action":"dance"}',
        '{"action":"subscribe"}',
        '{"action":"subscribe","sessions":["1"]}',
        '{"action":"subscribe","sessions":[0]}',
        '{"action":"subscribe","sessions":[99999999999999999999]}',
        '{"action":"subscribe","sites":["a.b"]}',
        '{"action":"subscribe","sites":[">"]}',
        '{"action":"subscribe","sites":["tst"],"resume":{"epoch":"x","sequence":-1}}',
        '{"action":"subscribe","sites":["tst"],"surprise":1}',
        '{"action":"authenticate","token":"token-ada"}',
        b'{"action":',
        "[" * 20_000,
    ],
)
async def test_a_frame_that_makes_no_sense_is_answered_and_the_connection_stays(server, text):
    async with raw(server, "ada") as client:
        await client.hear()
        await client.connection.send(text)
        assert (await client.hear())["type"] == "error"
        await client.say(action="ping", id=7)
        assert await client.hear() == {"type": "pong", "id": 7}


async def test_a_huge_frame_ends_the_connection(server):
    async with raw(server, "ada") as client:
        await client.hear()
        await client.say(action="subscribe", sites=["x" * 70_000])
        code, _ = await client.end()
        assert code == 1009


async def test_silence_is_broken_by_pings(start):
    server = await start(feed_ping_interval_s=0.05)
    async with raw(server, "ada") as client:
        await client.hear()
        assert await client.hear() == {"type": "ping"}


async def test_limits_on_subscriptions(start):
    server = await start(feed_max_sessions=1, feed_max_sites=1)
    async with raw(server, "ada") as client:
        await client.hear()
        await client.say(action="subscribe", sessions=[1, 2])
        assert await client.hear() == {"type": "error", "detail": "at most 1 sessions on one connection"}
        await client.say(action="subscribe", sites=["tst"])
        assert (await client.hear())["type"] == "subscribed"
        await client.say(action="subscribe", sites=["mrc"])
        assert await client.hear() == {"type": "error", "detail": "at most 1 sites on one connection"}


# --- who may hear what ----------------------------------------------------------------------------------------


async def test_another_users_session_and_one_that_does_not_exist_get_the_same_answer(server):
    async with raw(server, "ada") as client:
        await client.hear()
        for session_id in (3, 999):
            await client.say(action="subscribe", sessions=[session_id])
            assert await client.hear() == {
                "type": "error",
                "detail": "No DataSession matches the given query.",
                "sessions": [session_id],
            }
        await server.publish([operation_changed(1, session_id=3, owner="bob")])
        await until(lambda: server.hub.sequence == 1)
        await client.say(action="ping")
        assert await client.hear() == {"type": "pong"}


async def test_the_own_sessions_of_a_mixed_subscription_are_subscribed(server):
    async with raw(server, "ada") as client:
        await client.hear()
        await client.say(action="subscribe", sessions=[1, 3])
        assert (await client.hear())["sessions"] == [3]
        subscribed = await client.hear()
        assert (subscribed["type"], subscribed["sessions"], subscribed["sequence"]) == ("subscribed", [1], 0)
        event = operation_changed(5)
        await server.publish([event])
        assert await client.hear() == {"type": "event", "sequence": 1, "event": event.model_dump(mode="json")}


async def test_frames_are_heard_by_those_who_may_read_them(server):
    future = utc_now().replace(year=utc_now().year + 1)
    hidden = frame_changed(1, public_date=future, proposal_id="P1")
    public = frame_changed(2)
    refused = FileRefused(site="tst", key="data/tst-secret.fits", reason="truncated")
    last = frame_changed(3)
    heard_by = {}
    async with client_of(server, "ada") as ada, client_of(server, "bob") as bob, client_of(server, "root") as root:
        clients = {"ada": ada, "bob": bob, "root": root}
        for client in clients.values():
            await client.subscribe(sites=["tst"])
        await server.publish([hidden, public, refused, last], in_flight=1)
        for name, client in clients.items():
            events = []
            while not events or events[-1] != last:
                events.append((await anext(client)).event)
            heard_by[name] = events
    assert heard_by == {
        "ada": [hidden, public, last],
        "bob": [public, last],
        "root": [hidden, public, refused, last],
    }


async def test_a_deleted_session_says_so_and_is_no_longer_subscribed(server):
    async with raw(server, "ada") as client:
        await client.hear()
        await client.say(action="subscribe", sessions=[1, 2])
        await client.hear()
        await server.publish([SessionDeleted(session_id=1, owner="ada"), operation_changed(1)], in_flight=1)
        await server.publish([operation_changed(2, session_id=2)])
        assert (await client.hear())["event"]["type"] == "feed.session_deleted.v1"
        assert (await client.hear())["event"]["operation_id"] == 2
        await client.say(action="subscribe", sites=["tst"])
        assert (await client.hear())["sessions"] == [2]


async def test_nothing_is_heard_after_unsubscribing(server):
    async with raw(server, "ada") as client:
        await client.hear()
        await client.say(action="subscribe", sessions=[1], sites=["tst"])
        await client.hear()
        await client.say(action="unsubscribe", sessions=[1])
        assert await client.hear() == {"type": "unsubscribed", "sessions": [], "sites": ["tst"]}
        await server.publish([operation_changed(1), frame_changed(2)], in_flight=1)
        assert (await client.hear())["event"]["frame_id"] == 2


# --- order, and nothing missing -------------------------------------------------------------------------------


async def test_events_come_in_order(server):
    async with client_of(server) as client:
        await client.subscribe(sessions=[1])
        await server.publish([operation_changed(number) for number in range(1, 201)])
        heard = await take(client, 200)
    assert [item.sequence for item in heard] == list(range(1, 201))
    assert {item.event.operation_id for item in heard} == set(range(1, 201))


async def test_what_was_missed_while_away_comes_first(server):
    async with client_of(server) as client:
        await client.subscribe(sessions=[1])
        await server.publish([operation_changed(1)])
        await take(client, 1)
        position = client.epoch, client.sequence
    await server.publish([operation_changed(number) for number in range(2, 1001)])
    await server.publish([operation_changed(1, session_id=2)])
    async with client_of(server) as client:
        await client.subscribe(sessions=[1], after=position)
        await server.publish([operation_changed(1001)])
        heard = await take(client, 1000)
    assert {item.event.operation_id for item in heard} == set(range(2, 1002))
    sequences = [item.sequence for item in heard]
    assert sequences == sorted(set(sequences))
    assert client.missed == []


async def test_the_seam_between_stored_and_new_events_holds_under_full_load(server):
    """A publisher never stops; a connection is cut again and again, and comes back at any point of the stream."""
    count = 6000
    async with client_of(server) as client:
        await client.subscribe(sessions=[1])
        publishing = asyncio.create_task(server.publish(operation_changed(n) for n in range(1, count + 1)))
        heard = []
        for portion in range(20):
            heard += await take(client, count // 20)
            if portion % 2:
                client.connection.transport.abort()
        await publishing
    assert client.connections >= 10
    assert [item.sequence for item in heard] == list(range(1, count + 1))
    assert {item.event.operation_id for item in heard} == set(range(1, count + 1))


async def test_each_connection_gets_strictly_rising_sequences_without_a_hole(server):
    """As above, with what each connection gets looked at by itself."""
    async with raw(server, "ada") as first:
        epoch = (await first.hear())["epoch"]
    count = 4000
    publishing = asyncio.create_task(server.publish(operation_changed(n) for n in range(1, count + 1)))
    for start_at in (0, 10, 700, 1500):
        await until(lambda start_at=start_at: server.hub.sequence > start_at)
        async with raw(server, "ada") as client:
            await client.hear()
            await client.say(action="subscribe", sessions=[1], resume={"epoch": epoch, "sequence": start_at})
            assert (await client.hear())["sequence"] == start_at
            sequences = [(await client.hear())["sequence"] for _ in range(1000)]
        assert sequences == list(range(start_at + 1, start_at + 1001))
    await publishing


async def test_a_later_subscription_replays_only_what_is_new_to_the_connection(server):
    await server.publish([operation_changed(1), operation_changed(2, session_id=2)], in_flight=1)
    async with raw(server, "ada") as client:
        epoch = (await client.hear())["epoch"]
        await client.say(action="subscribe", sessions=[1])
        assert (await client.hear())["sequence"] == 2
        await client.say(action="subscribe", sessions=[1, 2], resume={"epoch": epoch, "sequence": 0})
        subscribed = await client.hear()
        assert (subscribed["sessions"], subscribed["sequence"]) == ([1, 2], 0)
        replayed = await client.hear()
        assert (replayed["sequence"], replayed["event"]["session_id"]) == (2, 2)
        await server.publish([operation_changed(3)])
        assert (await client.hear())["sequence"] == 3


async def test_two_processes_share_one_sequence(start):
    first, second = await start(), await start()
    async with client_of(first) as client:
        await client.subscribe(sessions=[1])
        await first.publish([operation_changed(1)])
        await take(client, 1)
        position = client.epoch, client.sequence
    await second.publish([operation_changed(2)])
    async with client_of(second) as client:
        await client.subscribe(sessions=[1], after=position)
        assert [item.sequence for item in await take(client, 1)] == [2]


async def test_a_killed_bus_loses_nothing(server, nats_server):
    async with client_of(server) as client:
        await client.subscribe(sessions=[1])
        await server.publish([operation_changed(number) for number in range(1, 101)])
        heard = await take(client, 50)
        await nats_server.kill()
        await nats_server.restart()
        await until(lambda: server.bus._broker.connection.is_connected)
        await server.publish([operation_changed(number) for number in range(101, 201)])
        heard += await take(client, 150)
    assert [item.sequence for item in heard] == list(range(1, 201))


async def test_a_client_that_resumes_while_the_bus_is_away_gets_everything_later(server, nats_server):
    await server.publish([operation_changed(number) for number in range(1, 301)])
    await nats_server.kill()
    async with client_of(server) as client:
        hearing = asyncio.create_task(hear_from_the_start(client, server.hub.epoch, 300))
        await nats_server.restart()
        heard = await hearing
    assert [item.sequence for item in heard] == list(range(1, 301))


async def hear_from_the_start(client, epoch, count):
    await client.subscribe(sessions=[1], after=(epoch, 0))
    return await take(client, count)


# --- gaps -----------------------------------------------------------------------------------------------------


async def test_events_no_longer_stored_are_named_as_a_gap(server):
    await server.publish([operation_changed(number) for number in range(1, 11)])
    await server.bus.jetstream.purge_stream(FEED.name, seq=8)
    async with client_of(server) as client:
        await client.subscribe(sessions=[1], after=(server.hub.epoch, 3))
        heard = await take(client, 3)
    assert [(gap.first, gap.last) for gap in client.missed] == [(4, 7)]
    assert [item.sequence for item in heard] == [8, 9, 10]


@pytest.mark.parametrize("position", [("another epoch", 1), (None, 999)])
async def test_a_position_of_another_stream_is_a_gap_up_to_now(server, position):
    epoch, sequence = position
    await server.publish([operation_changed(1), operation_changed(2)])
    await until(lambda: server.hub.sequence == 2)
    async with client_of(server) as client:
        await client.subscribe(sessions=[1], after=(epoch or server.hub.epoch, sequence))
        await server.publish([operation_changed(3)])
        heard = await take(client, 1)
    assert [(gap.first, gap.last) for gap in client.missed] == [(1, 2)]
    assert [item.sequence for item in heard] == [3]
    assert client.epoch == server.hub.epoch


async def test_a_stream_that_began_anew_is_noticed_and_clients_are_told(start, nats_server):
    server = await start(feed_watch_interval_s=0.1)
    async with client_of(server) as client:
        await client.subscribe(sessions=[1])
        await server.publish([operation_changed(1), operation_changed(2)])
        await take(client, 2)
        former = client.epoch
        await delete_streams(nats_server.settings)
        await apply_topology(server.bus.jetstream)
        await until(lambda: server.hub.epoch != former)
        hearing = asyncio.create_task(take(client, 1))
        await until(lambda: client.missed)
        await server.publish([operation_changed(3)])
        (heard,) = await hearing
    assert heard.event.operation_id == 3
    assert heard.sequence == 1
    assert client.epoch == server.hub.epoch


# --- unreadable messages, refused clients, restarts -----------------------------------------------------------


async def test_a_message_that_is_no_event_is_skipped_and_counted(server):
    async with client_of(server) as client:
        await client.subscribe(sessions=[1])
        await server.bus.publish_encoded(subject="datalab.feed.v1.session.1", body=b"{}", event_id=str(uuid.uuid4()))
        await server.publish([operation_changed(1)])
        assert [item.sequence for item in await take(client, 1)] == [2]
    assert server.metric("feed_unreadable_events_total") == 1


async def test_the_client_gives_up_only_when_coming_back_cannot_help(server, accounts):
    with pytest.raises(FeedRefusedError, match="Invalid token"):
        async with client_of(server, "nobody"):
            pass
    async with client_of(server) as client:
        with pytest.raises(FeedRefusedError, match="No DataSession"):
            await client.subscribe(sessions=[3])
        accounts.add("ada", active=False)
        client.connection.transport.abort()
        with pytest.raises(FeedRefusedError, match="inactive"):
            await anext(client)


async def test_a_stopping_server_tells_its_clients_to_come_back(start):
    server = await start()
    async with raw(server, "ada") as client:
        await client.hear()
        await server.hub.stop()
        code, _ = await client.end()
    assert code == 1012
