"""The feed as part of the whole application: what REST shows, the feed has said; who is refused there, is here."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from datalab.client.feed import FeedClient, FeedRefusedError
from datalab.events.envelope import derived_id, utc_now
from datalab.events.feed import FileRefused, FrameChanged, OperationChanged, SessionDeleted
from datalab.events.frames import FileRejected, FrameIngested
from datalab.events.site_images import InfoImageIngested
from support.feed import take
from support.waiting import until


def feed_of(world, username):
    return FeedClient(world.url.replace("http", "ws") + "/api/feed", token=world.tokens[username])


async def heard_until(feed, condition):
    """Return the events up to the first that meets the condition."""
    events = []
    while not events or not condition(events[-1]):
        (heard,) = await take(feed, 1)
        events.append(heard.event)
    return events


async def test_an_operation_is_followed_to_its_end(world, alice):
    session_id = await world.session(alice)
    async with feed_of(world, "alice") as feed:
        await feed.subscribe(sessions=[session_id])
        operation_id = await world.operation(alice, session_id)
        await world.start(alice, session_id, operation_id)
        await world.succeed(alice, session_id, operation_id)
        events = await heard_until(feed, lambda event: getattr(event, "status", "") == "COMPLETED")
        statuses = [event.status for event in events if isinstance(event, OperationChanged)]
        assert statuses == ["PENDING", "IN_PROGRESS", "COMPLETED"]
        shown = (await alice.get(f"/api/datasessions/{session_id}/operations/{operation_id}/")).json()
        assert shown["status"] == "COMPLETED"
        await alice.delete(f"/api/datasessions/{session_id}/")
        events = await heard_until(feed, lambda event: isinstance(event, SessionDeleted))
        with pytest.raises(FeedRefusedError, match="No DataSession matches the given query"):
            await feed.subscribe(sessions=[session_id])


async def test_the_end_of_an_operation_is_heard_by_a_client_that_was_away(world, alice):
    session_id = await world.session(alice)
    async with feed_of(world, "alice") as feed:
        await feed.subscribe(sessions=[session_id])
        position = feed.epoch, feed.sequence
    operation_id = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, operation_id)
    async with feed_of(world, "alice") as feed:
        await feed.subscribe(sessions=[session_id], after=position)
        events = await heard_until(feed, lambda event: getattr(event, "status", "") == "COMPLETED")
    assert events[-1].operation_id == operation_id


@pytest.mark.parametrize("username", ["bob", "root"])
async def test_another_users_session_cannot_be_subscribed_to(world, alice, username):
    session_id = await world.session(alice)
    async with feed_of(world, username) as feed:
        with pytest.raises(FeedRefusedError, match="No DataSession matches the given query"):
            await feed.subscribe(sessions=[session_id])


async def test_a_token_nobody_has_is_refused(world):
    with pytest.raises(FeedRefusedError, match="Invalid token"):
        async with FeedClient(world.url.replace("http", "ws") + "/api/feed", token="0" * 40):
            pass


async def test_news_of_the_archive_is_heard_once_by_those_who_may_know(world):
    public = {"site": "tst", "roles": ("fits",), "public_date": utc_now()}
    ingested = FrameIngested(frame_id=7, basename="tst-7", key="data/tst-7.fits", **public)
    rejected = FileRejected(site="tst", key="data/tst-8.fits", reason="truncated")
    last = FrameIngested(frame_id=9, basename="tst-9", key="data/tst-9.fits", **public)
    async with feed_of(world, "bob") as bob, feed_of(world, "root") as root:
        await bob.subscribe(sites=["tst"])
        await root.subscribe(sites=["tst"])
        before = root.sequence
        for news in (ingested, rejected, last):
            await world.bus.publish(news)
        heard = {}
        for name, feed in (("bob", bob), ("root", root)):
            heard[name] = await heard_until(feed, lambda event: getattr(event, "frame_id", 0) == 9)
    assert [type(event) for event in heard["root"]] == [FrameChanged, FileRefused, FrameChanged]
    assert [event.frame_id for event in heard["bob"]] == [7, 9]
    assert heard["bob"][0].event_id == derived_id("feed", ingested.event_id)
    assert heard["bob"][0].correlation_id == ingested.correlation_id
    assert root.sequence == before + 3
    await until(lambda: world.core.registry.get_sample_value("datalab_feed_clients") == 0)


async def test_what_the_archive_says_of_images_is_told_on_the_datastream(world):
    public = {"site": "dst", "roles": ("jpg_10",), "public_date": utc_now()}
    first = FrameIngested(frame_id=7, basename="dst-7", key="data/dst-7-EX10.jpg", image_changed=True, **public)
    other = FrameIngested(frame_id=7, basename="dst-7", key="data/dst-7-EX00.fits", **public)
    info = InfoImageIngested(site="dst", channel=2, basename="dst-8", key="info-images/x", roles=("jpg_10",))
    async with connect(world.url.replace("http", "ws") + "//dev/?site=dst", proxy=None) as client:
        for news in (first, other, info, first):
            await world.bus.publish(news)
        said = [json.loads(await client.recv())["data"] for _ in range(2)]
    assert said == [
        {"s3_directory": "data", "base_filename": "dst-7", "site": "dst"},
        {"s3_directory": "info-images", "base_filename": "dst-8", "site": "dst", "channel": 2},
    ]


async def test_the_datastream_and_the_routes_of_its_stage_are_not_in_each_others_way(world):
    websockets = world.url.replace("http", "ws")
    async with world.client() as client, connect(f"{websockets}/dev?site=tst", proxy=None):
        greeting = await client.get("/dev?site=tst")
        images = await client.get("/dev/tst/latest_images/1")
        for path in ("/dev/tst/config?site=tst", "/test?site=tst", "/api?site=tst", "/?site=tst"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(websockets + path, proxy=None):
                    pass
            assert refused.value.response.status_code == 403
    assert (greeting.status_code, greeting.text) == (200, "New photon ranch API")
    assert (images.status_code, images.json()) == (200, [])


async def test_a_slash_at_the_end_is_no_other_feed(world):
    async with FeedClient(world.url.replace("http", "ws") + "/api/feed/", token=world.tokens["bob"]) as feed:
        await feed.subscribe(sites=["tst"])
        assert feed.connections == 1
