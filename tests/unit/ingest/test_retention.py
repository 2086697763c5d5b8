"""What goes by age, and what by size."""

from datetime import timedelta

import pytest

from ingest.retention.service import Retention, Rule
from support.ingest import BEGINNING, MemoryObjects, later

DAY = 86_400


class Meter:
    def __init__(self):
        self.counts = []

    def swept(self, family, *, objects, size_bytes):
        self.counts.append((family, objects, size_bytes))


class Objects(MemoryObjects):
    async def delete(self, key):
        del self.descriptions[key]


@pytest.fixture
def objects():
    return Objects()


def put(objects, key, *, days, size=1):
    objects.put(key, b"x" * size, modified_at=later(-days * DAY))


async def look(objects, *rules):
    meter = Meter()
    retention = Retention(objects=objects, rules=rules, meter=meter, clock=lambda: BEGINNING)
    return await retention.look(), meter.counts


async def test_what_is_old_goes_and_nothing_of_others(objects):
    for key, days in (("test/a", 3), ("test/b", 1), ("data/a", 300), ("results/a", 300)):
        put(objects, key, days=days)
    assert await look(objects, Rule(family="test/", keep=timedelta(days=2))) == (1, [("test/", 1, 1)])
    assert sorted(objects.descriptions) == ["data/a", "results/a", "test/b"]


async def test_some_endings_have_a_life_of_their_own(objects):
    for key in ("downloads/a.tif", "downloads/a.fits", "downloads/b.tif.bz2"):
        put(objects, key, days=3)
    endings = ((".tif", timedelta(days=2)), (".tif.bz2", timedelta(days=2)))
    await look(objects, Rule(family="downloads/", keep=timedelta(days=7), keep_by_ending=endings))
    assert list(objects.descriptions) == ["downloads/a.fits"]


async def test_what_was_made_anew_since_it_was_listed_stays(objects):
    async def made_anew():
        put(objects, "downloads/a.fits", days=0)
        return set()

    for key in ("downloads/a.fits", "downloads/b.fits"):
        put(objects, key, days=8)
    await look(objects, Rule(family="downloads/", keep=timedelta(days=7), spared=made_anew))
    assert list(objects.descriptions) == ["downloads/a.fits"]


async def test_what_is_shown_stays_however_old(objects):
    async def shown():
        return {"info-images/b"}

    for key in ("info-images/a", "info-images/b"):
        put(objects, key, days=9)
    await look(objects, Rule(family="info-images/", keep=timedelta(days=2), spared=shown))
    assert list(objects.descriptions) == ["info-images/b"]


async def test_beyond_its_size_a_family_loses_the_oldest_and_never_what_was_just_made(objects):
    for name, days in (("a", 4), ("b", 3), ("c", 2), ("d", 0)):
        put(objects, f"gaia/{name}", days=days, size=10)
    rule = Rule(family="gaia/", keep=timedelta(days=30), max_bytes=25)
    assert await look(objects, rule) == (2, [("gaia/", 2, 20)])
    assert sorted(objects.descriptions) == ["gaia/c", "gaia/d"]
    assert (await look(objects, rule))[0] == 0
    await look(objects, Rule(family="gaia/", keep=timedelta(days=30), max_bytes=1))
    assert sorted(objects.descriptions) == ["gaia/d"]
