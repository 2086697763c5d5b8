"""How much each of many may use."""

from hypothesis import given
from hypothesis import strategies as st

from datalab.platform.allowance import Allowance


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_burst_then_the_rate():
    clock = Clock()
    allowance = Allowance(per_s=2, burst_s=5, clock=clock)
    assert [allowance.take("tst") for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now += 1
    assert [allowance.take("tst") for _ in range(3)] == [True, True, False]


def test_each_site_has_its_own():
    allowance = Allowance(per_s=1, burst_s=1, clock=Clock())
    assert [allowance.take(site) for site in ("tst", "tst", "mrc")] == [True, False, True]


@given(
    pauses=st.lists(st.floats(0, 100), max_size=200),
    per_s=st.floats(0.1, 50),
    burst_s=st.floats(1, 60),
)
def test_never_more_than_the_rate_allows_however_it_is_asked(pauses, per_s, burst_s):
    clock = Clock()
    allowance = Allowance(per_s=per_s, burst_s=burst_s, clock=clock)
    began, taken = clock.now, 0
    for pause in pauses:
        clock.now += pause
        taken += allowance.take("tst")
    assert taken <= per_s * (burst_s + clock.now - began) + 1e-6


def test_what_was_used_already_is_made_up_before_there_is_more():
    clock = Clock()
    allowance = Allowance(per_s=100, burst_s=60, clock=clock)
    assert allowance.wait_s("tst") == 0
    allowance.charge("tst", 10_000)  # six thousand were left
    assert (allowance.take("tst"), allowance.take("mrc")) == (False, True)
    assert allowance.wait_s("tst") == (4_000 + 1) / 100
    clock.now += allowance.wait_s("tst") + 0.001
    assert allowance.take("tst")


def test_only_so_many_are_remembered():
    allowance = Allowance(per_s=1, burst_s=1, clock=Clock())
    for number in range(20_001):
        assert allowance.take(str(number))
    assert (allowance.take("20000"), allowance.take("0")) == (False, True)
