"""An outage that lasts longer than all the tries a message has: it is outlasted all the same."""

import itertools

import pytest

from support.chaos import outlast, running_lab, visiting

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_outages.py

FRAMES = 8
#: Eight tries are over after 62 s: 0.5 s, 1 s, 2 s, 4 s, 8 s, and then 15 s apart.
LASTS_S = 66.0


async def test_an_outage_longer_than_all_tries_is_outlasted(tmp_path):
    async with running_lab(tmp_path, runners=1) as lab, visiting(lab.system, FRAMES) as visit:
        pairs = itertools.combinations(range(FRAMES), 2)
        await outlast(lab, visit, "s3 failing", pairs=pairs, lasts_s=LASTS_S)
