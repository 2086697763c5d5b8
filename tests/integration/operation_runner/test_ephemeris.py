"""The process that knows where the Sun and the Moon stand."""

import json
import os
import signal

import psutil
import pytest

from datalab.errors import TransientError, UsageError
from datalab.events.ephemeris import MoonPassages, MoonPassagesRequested, SiteNight, SiteNightRequested
from operation_runner.ephemeris.pool import Almanac
from support.skies import DAY_S, NIGHTS, TOLERANCE_S
from support.waiting import until

A_NIGHT = SiteNightRequested(
    latitude_deg=NIGHTS[1]["latitude"],
    longitude_deg=NIGHTS[1]["longitude"],
    unix_s=NIGHTS[1]["when"],
    utc_offset_s=8 * 3600,
    answer_within_s=60,
)


@pytest.fixture
async def almanac():
    almanac = Almanac()
    await almanac.start()
    yield almanac
    await almanac.stop()


async def test_one_that_is_killed_is_replaced(almanac):
    first = await almanac.tell(A_NIGHT)
    night = SiteNight.model_validate_json(first)
    for name, expected in NIGHTS[1]["events"].items():
        assert abs(night.events[name].tai_jd - expected) * DAY_S < TOLERANCE_S, name
    (pid,) = almanac._pool.idle_pids
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert await almanac.tell(A_NIGHT) == first
    assert almanac._pool.idle_pids != [pid]


async def test_instants_are_told_in_both_ways(almanac):
    passages = MoonPassages.model_validate_json(await almanac.tell(moon(1656633600, 7)))
    for passage in passages.passages:
        assert (passage.rise.tai_jd - 2440587.5) * DAY_S - passage.rise.unix_s == pytest.approx(37, abs=1e-3)


async def test_what_takes_too_long_may_work_later(almanac):
    with pytest.raises(TransientError, match="not found in time"):
        await almanac.tell(A_NIGHT.model_copy(update={"answer_within_s": 1e-6}))
    assert json.loads(await almanac.tell(A_NIGHT))["missing"] == {}


@pytest.mark.parametrize("days", [-1, 401])
async def test_an_interval_that_is_none_is_refused(almanac, days):
    with pytest.raises(UsageError, match="400 days later at most"):
        await almanac.tell(moon(1656633600, days))


def moon(start_s, days):
    return MoonPassagesRequested(
        latitude_deg=34, longitude_deg=-119, start_s=start_s, stop_s=start_s + days * DAY_S, answer_within_s=60
    )
