"""Every server fails in every way, for a while: accepted work ends right, and nothing fails for the world's reasons."""

import asyncio
import itertools

import pytest

from support.chaos import running_lab, visiting

#: nats-py does not close what it opened to a server that then did not answer.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FRAMES = 24
#: An outage lasts as long as several tries; one as long as all the tries there are.
SHORT_S, LONG_S = 4.0, 75.0
PATIENCE_S = 60.0

OUTAGES = [
    *(f"{server} {kind}" for server in ("nats", "mongo", "s3") for kind in ("away", "slow", "resetting", "paused")),
    *(f"{server} {kind}" for server in ("nats", "mongo", "s3") for kind in ("killed", "full")),
    "s3 skewed",
    "s3 failing",
]


@pytest.fixture(scope="module")
async def lab(tmp_path_factory):
    async with running_lab(tmp_path_factory.mktemp("outages")) as running:
        yield running


@pytest.fixture(scope="module")
async def visit(lab):
    async with visiting(lab.system, FRAMES) as made:
        yield made


@pytest.fixture(scope="module")
def pairs():
    """Pairs of frames nobody has asked for yet."""
    return iter(itertools.combinations(range(FRAMES), 2))


async def outlast(lab, visit, pairs, outage, lasts_s):
    """Ask before, while and after it lasts; return what became of it."""
    fails = lab.outages().get(outage)
    if fails is None:
        pytest.skip("no small disks on this machine")
    earlier = set(visit.asked)
    asking = [asyncio.create_task(visit.ask(next(pairs))) for _ in range(3)]
    async with fails():
        asking += [asyncio.create_task(visit.ask(next(pairs))) for _ in range(3)]
        await asyncio.sleep(lasts_s)  # the outage itself
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*asking)
        asked = set(visit.asked) - earlier
        await visit.observer.until(lambda seen: asked <= set(seen.terminal))
        listed = {each["id"]: each for each in await visit.listed()}
    assert len(asked) == 6
    assert {visit.observer.terminal[number][0] for number in asked} == {"COMPLETED"}, [
        listed[number] for number in asked
    ]
    assert {len(visit.observer.terminal[number]) for number in asked} == {1}
    assert {visit.observer.last_words[number] for number in asked} == {"COMPLETED"}
    assert {listed[number]["status"] for number in asked} == {"COMPLETED"}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_short_outage_is_outlasted(lab, visit, pairs, outage):
    await outlast(lab, visit, pairs, outage, SHORT_S)


async def test_an_outage_longer_than_all_tries_is_outlasted(lab, visit, pairs):
    await outlast(lab, visit, pairs, "s3 failing", LONG_S)
