"""How many archives are made, and wait, in one runner."""

import asyncio

import pytest

from datalab.errors import TransientError, UsageError
from datalab.events.archives import ArchiveRequested
from operation_runner.downloads.archives import Archives
from support.waiting import until


class Objects:
    """Gives the lists of archives when it is let: lists that are none."""

    def __init__(self):
        self.read: list[str] = []
        self.goes_on = asyncio.Event()

    async def get_bytes(self, key, *, max_bytes):
        self.read.append(key)
        await self.goes_on.wait()
        return b"{}"


class Making:
    """Begins what is asked for at once."""

    async def made(self, key, make, *, until):
        await make(lambda fraction: None)


def request(number):
    key = f"downloads/zips/{number}"
    return ArchiveRequested(key=f"{key}.zip", list_key=f"{key}.json", answer_within_s=60)


async def test_more_archives_than_can_be_made_soon_are_refused_until_there_is_room():
    objects = Objects()
    archives = Archives(objects=objects, making=Making())
    asking = [asyncio.create_task(archives.have(request(number))) for number in range(10)]
    await until(lambda: len(objects.read) == 2)
    with pytest.raises(TransientError, match=r"^too many archives are being made; try again later$"):
        await archives.have(request(10))
    objects.goes_on.set()
    for failed in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(failed, UsageError)
    with pytest.raises(UsageError):
        await archives.have(request(10))
    assert len(objects.read) == 11
