from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_api.operations.session_rights import Role
from session_api.sessions.model import (
    LINK_KEYS,
    MAX_INPUT_DATA_BYTES,
    SessionLink,
    SessionStanding,
    Share,
    added_by_others,
    merged_input_data,
    role_in,
    seen_by_others,
)
from session_api.web.failures import FieldError
from session_api.web.user import NOBODY, User

NOW = datetime(2026, 11, 20, tzinfo=UTC)

ITEMS = st.lists(
    st.fixed_dictionaries(
        {"basename": st.sampled_from("abc")}, optional={"filter": st.sampled_from("rg"), "url": st.text(max_size=3)}
    ),
    max_size=8,
)


def without_links(items):
    return [{key: value for key, value in item.items() if key not in LINK_KEYS} for item in items]


def test_known_items_keep_their_place_and_get_the_newer_link():
    existing = [{"basename": "a", "url": "old", "thumbnails": [1]}, {"basename": "b"}]
    submitted = [{"basename": "b", "url": "new"}, {"url": "newer", "basename": "a"}, {"basename": "c"}]
    assert merged_input_data(existing, submitted) == (
        {"basename": "a", "url": "newer", "thumbnails": [1]},
        {"basename": "b", "url": "new"},
        {"basename": "c"},
    )


def test_values_that_only_look_alike_differ():
    assert len(merged_input_data([{"id": 1}], [{"id": "1"}, {"id": None}, {}, {"id": True}])) == 5


@given(existing=ITEMS, submitted=ITEMS)
def test_merging_loses_nothing_and_adds_nothing_twice(existing, submitted):
    merged = merged_input_data(existing, submitted)
    kept, known = without_links(merged), without_links(existing)
    assert kept[: len(known)] == known
    assert all(item in kept for item in without_links(submitted))
    added = kept[len(known) :]
    assert all(item not in known and added.count(item) == 1 for item in added)
    assert merged_input_data(merged, submitted) == merged


def test_there_is_an_end_to_what_a_session_can_hold():
    items = [{"n": number, "text": "x" * 4000} for number in range(MAX_INPUT_DATA_BYTES // 4000)]
    with pytest.raises(FieldError) as refused:
        merged_input_data([], items)
    assert refused.value.fields["input_data"][0].endswith(f" bytes; {MAX_INPUT_DATA_BYTES} are allowed.")
    assert merged_input_data([], items[: len(items) * 9 // 10])


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"target_name": "x" * 4097}, "1.target_name: The text has 4097 characters; 4096 are allowed."),
        ({"nested": [{"text": "x" * 20_000}]}, "1: The item has 20026 bytes; 16384 are allowed."),
        ({"many": list(range(10_000))}, "1: The item has 58900 bytes; 16384 are allowed."),
    ],
    ids=["text", "nested", "many"],
)
def test_there_is_an_end_to_what_an_item_can_hold(item, text):
    with pytest.raises(FieldError) as refused:
        merged_input_data([], [{"basename": "f1", "url": "x" * 4096}, item])
    assert refused.value.fields == {"input_data": [text]}


def session(*shares, link=None):
    return SessionStanding(owner="ada", shares=shares, link=link)


def share(role, **who):
    return Share(role=role, since=NOW, **who)


_LINKED = session(link=SessionLink(hash="h", since=NOW))


@pytest.mark.parametrize(
    ("standing", "caller", "groups", "role"),
    [
        (session(), User("ada"), (), Role.OWNER),
        (session(), User("bob"), (), None),
        (session(), User("root", superuser=True), (), None),
        (session(), NOBODY, (), None),
        (SessionStanding(owner=""), NOBODY, (), None),
        (session(share("viewer", user="bob")), User("bob"), (), Role.VIEWER),
        (session(share("viewer", user="bob")), User("Bob"), (), None),
        (session(share("editor", user="ada")), User("ada"), (), Role.OWNER),
        (session(share("viewer", group=7)), User("bob"), {7}, Role.VIEWER),
        (session(share("viewer", group=7)), User("bob"), {8}, None),
        (session(share("viewer", user="bob"), share("editor", group=7)), User("bob"), {7}, Role.EDITOR),
        (_LINKED, User("", link_hash="h"), (), Role.VIEWER),
        (_LINKED, User("bob", link_hash="h"), (), Role.VIEWER),
        (_LINKED, User("ada", link_hash="h"), (), Role.OWNER),
        (_LINKED, User("", link_hash="other"), (), None),
        (_LINKED, NOBODY, (), None),
        (session(), User("", link_hash=None), (), None),
    ],
)
def test_who_is_what_in_a_session(standing, caller, groups, role):
    assert role_in(standing, caller, groups) is role


def test_each_role_includes_those_before():
    assert [[role.includes(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@given(existing=ITEMS, readable=st.sets(st.sampled_from("abc")))
def test_what_others_see_of_input_data_are_frames_they_may_read_and_no_links(existing, readable):
    seen = seen_by_others(existing, readable)
    assert [item["basename"] for item in seen] == [
        item["basename"] for item in existing if item["basename"] in readable
    ]
    assert not any(key in LINK_KEYS for item in seen for key in item)


@given(existing=ITEMS, readable=st.sets(st.sampled_from("abc")), submitted=ITEMS)
def test_what_others_send_back_changes_nothing(existing, readable, submitted):
    back = [*seen_by_others(existing, readable), *seen_by_others(existing, readable)]
    assert added_by_others(existing, back) == []
    added = added_by_others(existing, [*back, *submitted])
    merged = merged_input_data(existing, added)
    assert list(merged[: len(merged_input_data(existing, []))]) == list(merged_input_data(existing, []))
    assert not any(key in LINK_KEYS for item in added for key in item)


@pytest.mark.parametrize("value", ["https://store/f?signed", "blob:http://x", ["u"], {"url": "u"}])
def test_nothing_that_leads_to_a_file_is_seen_by_others(value):
    item = {"basename": "a", "anything": value, "filter": "r", "id": 7, "none": None}
    assert seen_by_others([item], {"a"}) == ({"basename": "a", "filter": "r", "id": 7, "none": None},)


@pytest.mark.parametrize("source", ["elsewhere", 7, ["archive"], {}])
def test_what_nobody_knows_is_not_seen_by_others(source):
    assert seen_by_others([{"basename": "a", "source": source}], {"a"}) == ()
