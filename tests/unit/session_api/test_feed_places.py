"""Nobody has all the places, and who leaves gives theirs back."""

import contextlib

import pytest

from session_api.feed.model import CloseCode, FeedClosedError
from session_api.feed.places import Places


def test_places_are_counted_in_all_and_by_address():
    counts = []
    places = Places(total=3, per_address=2, count=counts.append)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(places.place("here"))
        with (
            pytest.raises(FeedClosedError, match="too many connections from one address") as refused,
            places.place("here"),
        ):
            pass
        assert refused.value.code is CloseCode.TOO_MANY_CLIENTS
        stack.enter_context(places.place("there"))
        with pytest.raises(FeedClosedError, match="too many clients"), places.place("elsewhere"):
            pass
        assert counts == [1, 2, 3]
    assert counts == [1, 2, 3, 2, 1, 0]
    with places.place("here"), places.place("here"), places.place("elsewhere"):
        assert counts[-1] == 3


def test_without_a_limit_for_each_address_one_may_have_all():
    places = Places(total=2, count=lambda _: None)
    with places.place("here"), places.place("here"), pytest.raises(FeedClosedError), places.place("here"):
        pass
