"""Whose the tokens are that were seen a moment ago."""

import pytest

from session_api.accounts import known_tokens
from session_api.accounts.known_tokens import KnownTokens


@pytest.fixture
def now(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(known_tokens, "monotonic", lambda: clock[0])
    return clock


@pytest.fixture
def known(now):
    return KnownTokens()


def test_what_was_looked_up_is_known_for_five_seconds(known, now):
    known.keep("a", "ada", changes=known.changes)
    now[0] += 4.9
    assert (known.find("a"), known.find("b")) == ("ada", None)
    now[0] += 0.2
    assert known.find("a") is None


def test_a_change_is_seen_at_once_also_if_it_fails(known):
    known.keep("a", "ada", changes=known.changes)
    with pytest.raises(ZeroDivisionError), known.forgotten():
        raise ZeroDivisionError
    assert known.find("a") is None


def test_what_was_asked_for_before_a_change_is_not_kept(known):
    asked_at = known.changes
    with known.forgotten():
        pass
    known.keep("a", "ada as she was", changes=asked_at)
    assert known.find("a") is None


def test_memory_is_bounded_and_the_oldest_go_first(known, monkeypatch):
    monkeypatch.setattr(known_tokens, "_MOST", 2)
    for token in ("a", "b", "a", "c"):
        known.keep(token, token, changes=known.changes)
    assert [known.find(token) for token in ("a", "b", "c")] == ["a", None, "c"]
