"""Every server fails in every way, for a while: accepted work ends right, and nothing fails for the world's reasons."""

import itertools

import pytest

from support.chaos import outlast, running_lab, visiting

#: nats-py does not close what it opened to a server that then did not answer.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FRAMES = 24
#: An outage lasts as long as several tries.
LASTS_S = 3.0

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


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_short_outage_is_outlasted(lab, visit, pairs, outage):
    await outlast(lab, visit, outage, pairs=pairs, lasts_s=LASTS_S)
