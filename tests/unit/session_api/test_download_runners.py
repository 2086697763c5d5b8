"""How many parts of images are asked of runners at once."""

import asyncio

import pytest

from datalab.errors import TransientError
from datalab.events.analysis import AnalysisAnswered
from datalab.platform.bus.requests import RawAnswer
from session_api.downloads.model import StoredFile
from session_api.downloads.runners import Runners
from support.waiting import until

FILE = StoredFile(key="data/a.fits", sha256="ab" * 32, size_bytes=1, etag="e", basename="a")


class Bus:
    """Answers when it is let."""

    def __init__(self):
        self.asked = 0
        self.goes_on = asyncio.Event()

    async def ask(self, question, *, within_s, max_bytes):
        self.asked += 1
        await self.goes_on.wait()
        head = AnalysisAnswered(media_type="image/fits", producer="test").encode()
        return RawAnswer(head=head, body=b"part")


def part(runners):
    return runners.part(FILE, {}, correlation_id="c")


async def test_eight_parts_are_made_at_once_and_the_others_follow():
    bus = Bus()
    runners = Runners(bus=bus, patience_s=60, max_answer_bytes=10)
    asking = [asyncio.create_task(part(runners)) for _ in range(20)]
    await until(lambda: bus.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    assert bus.asked == 8
    bus.goes_on.set()
    assert await asyncio.gather(*asking) == [(b"part", "image/fits")] * 20


async def test_who_waits_in_vain_for_a_turn_is_told():
    bus = Bus()
    runners = Runners(bus=bus, patience_s=0.1, max_answer_bytes=10)
    asking = [asyncio.create_task(part(runners)) for _ in range(8)]
    await until(lambda: bus.asked == 8)
    with pytest.raises(TransientError, match=r"^too many parts of images are being made; try again in a moment$"):
        await part(runners)
    bus.goes_on.set()
    await asyncio.gather(*asking)
    assert await part(runners) == (b"part", "image/fits")
