"""How many operations of one user the runners get at once."""

import pytest

from datalab.events.operations import Lane
from session_api.operations.turns import Shares


@pytest.fixture
def shares():
    made = Shares()
    made.counted(Lane.SLOW, 2)
    return made


def test_a_reserve_of_a_second_while_nothing_is_known(shares):
    assert shares.of("ada", Lane.SLOW) == 4


@pytest.mark.parametrize(("duration_s", "share"), [(60.0, 2), (1.0, 4), (0.25, 10), (0.001, 34), (0.0, 34)])
def test_the_shorter_the_operations_the_more_lie_in_reserve(shares, duration_s, share):
    shares.timed("ada", Lane.SLOW, duration_s)
    assert shares.of("ada", Lane.SLOW) == share
    assert shares.of("bob", Lane.SLOW) == 4


def test_the_latest_durations_count_most(shares):
    for _ in range(20):
        shares.timed("ada", Lane.SLOW, 60.0)
    for _ in range(20):
        shares.timed("ada", Lane.SLOW, 0.25)
    assert shares.of("ada", Lane.SLOW) == pytest.approx(10, abs=3)


def test_lanes_are_apart_and_a_moment_without_runners_changes_nothing(shares):
    shares.counted(Lane.SLOW, 0)
    shares.counted(Lane.FAST, 50)
    assert (shares.of("ada", Lane.SLOW), shares.of("ada", Lane.FAST)) == (4, 82)


def test_memory_is_bounded(shares):
    for number in range(20_000):
        shares.timed(f"user-{number}", Lane.FAST, 1.0)
    assert len(shares._durations_s) <= 10_001
