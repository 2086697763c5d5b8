"""Which cards of a header are searched, and what counts as equal."""

import pytest

from datalab.documents.header_terms import term_of, terms_of


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("V ", "v"),
        (30, "30.0"),
        (30.0, "3e1"),
        ("12.50", "12.5"),
        (True, "T"),
        (False, "f"),
        (-7, "-7"),
        (2**62, 2**62),
    ],
)
def test_what_is_equal_has_one_term(value, asked):
    assert term_of("filter ", value) == term_of("FILTER", asked)
    assert term_of("FILTER", value)


@pytest.mark.parametrize(
    "value", [None, "", "  ", 1.2345678, "2026-11-29T01:02:03.4", "-12:01:02.5", "x" * 81, "a\0", {}, []]
)
def test_what_nobody_searches_has_none(value):
    assert term_of("KEY", value) is None


def test_the_first_cards_count_but_those_of_the_format():
    cards = {"SIMPLE": True, "NAXIS1": 10, "COMMENT": "x", "": "y", "CHECKSUM": "z", "OBJECT": "M 33", "GAIN": 1.5}
    assert terms_of(cards) == ("OBJECT=m 33", "GAIN=1.5")
    assert len(terms_of({f"K{number}": number for number in range(500)})) == 150
