"""What the archive says while the session API is away is told when it is back: of each image once."""

import asyncio
import json
import time

from websockets.asyncio.client import connect

from datalab.events.envelope import utc_now
from datalab.events.feed import FrameChanged
from datalab.events.frames import FrameIngested
from datalab.events.topology import FEED
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from support.session_api import running_world
from support.waiting import PATIENCE_S


async def test_images_that_came_during_a_restart_are_told_of_once_and_in_order(settings_environment):
    began = time.time()
    async with running_world(settings_environment) as world:
        bus = Bus(settings=world.settings, service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        news = [image(number) for number in range(1, 6)]
        for each in (*news, news[2]):
            await bus.publish(each)
    finally:
        await bus.close()
    async with running_world(settings_environment) as world:
        url = world.url.replace("http", "ws")
        async with connect(f"{url}/dev?site=tst&since={began:.6f}", proxy=None) as client, asyncio.timeout(PATIENCE_S):
            names = [json.loads(await client.recv())["data"]["base_filename"] for _ in news]
        assert names == [f"tst-{number}" for number in range(1, 6)]
        assert [event.image_changed for event in await told(world)] == [True] * 5


def image(number):
    return FrameIngested(
        site="tst",
        frame_id=number,
        basename=f"tst-{number}",
        key=f"data/tst-{number}-EX10.jpg",
        roles=("jpg_10",),
        public_date=utc_now(),
        image_changed=True,
    )


async def told(world):
    """Return what the feed has said of the site."""
    messages = world.bus.replay(FEED, after=0, filter_subjects=("datalab.feed.v1.site.tst",))
    return [FrameChanged.decode(message.body) async for message in messages]
