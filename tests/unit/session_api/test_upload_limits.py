"""How much comes in over the open route."""

import pytest

from session_api.uploads.limits import UploadLimits
from session_api.web.failures import TooManyError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limits(clock):
    return UploadLimits(site_forms=60, site_bytes=6000, address_forms=120, address_bytes=12_000, clock=clock)


def taken(limits, *, site="tst", address="192.0.2.1"):
    """Return whether a form was handed out, else how long to wait."""
    try:
        limits.take_form(site=site, address=address)
    except TooManyError as error:
        return error.retry_after_s
    return True


def test_forms_of_a_site(limits, clock):
    assert [taken(limits, address=f"192.0.2.{number}") for number in range(60)] == [True] * 60
    assert (taken(limits), taken(limits, site="mrc")) == (1, True)
    clock.now += 1
    assert (taken(limits), taken(limits)) == (True, 1)


def test_forms_of_an_address(limits):
    assert [taken(limits, site=f"s{number}") for number in range(120)] == [True] * 120
    assert (taken(limits, site="new"), taken(limits, site="new", address="192.0.2.2")) == (1, True)


def test_bytes_count_when_they_have_come(limits, clock):
    limits.count_bytes(6_500, site="tst", address="192.0.2.1")
    assert taken(limits) == 6  # 501 bytes at 100 a second
    assert taken(limits, site="mrc") is True
    clock.now += 6
    assert taken(limits) is True


def test_what_is_refused_costs_nothing(limits, clock):
    limits.count_bytes(6_100, site="tst", address="192.0.2.1")
    assert [taken(limits) for _ in range(500)] == [2] * 500
    clock.now += 2
    assert taken(limits) is True


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
        ("testclient", "other", False),
    ],
)
def test_what_is_one_address(limits, one, other, same):
    limits.count_bytes(20_000, site="abc", address=one)
    assert (taken(limits, address=other) is not True) is same
