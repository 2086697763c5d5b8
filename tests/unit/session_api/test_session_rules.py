import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_api.sessions.model import LINK_KEYS, MAX_INPUT_DATA_BYTES, merged_input_data
from session_api.web.failures import FieldError

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
