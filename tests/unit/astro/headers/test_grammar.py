"""One grammar for header texts and FITS files: a card is read or noted, alike in both, never lost in silence."""

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.headers.cards import HeaderCards, header_cards, parse_header_text
from datalab.astro.headers.description import describe, describe_header

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")


def text_of(*cards):
    """Return cards as bytes of a file, a character for each."""
    columns = [card.encode("utf-8").ljust(80) for card in (*cards, "END")]
    return b"".join(columns).decode("latin-1")


def read_both_ways(*cards):
    """Return values and notes, which must be the same of the text and of the header astropy makes of it."""
    parsed = parse_header_text(text_of(*cards))
    header = fits.Header.fromstring(text_of(*cards))
    assert {
        keyword: value for keyword, value in header_cards(header).items() if keyword in parsed.cards
    } == parsed.cards
    assert HeaderCards(header).notes == parsed.notes
    return parsed


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("OBJECT  = 'M 31    '           / target", "M 31"), ("OBJECT  = 'it''s / it'", "it's / it"),
        ("GAIN    = 1.5D+00", 1.5),
        ("NUMBER  =                  -12", -12), ("FLAG    =                    T", True), ("NONE    =", None),
        ("NONE    =                      / undefined", None), ("TINY    = .5E-3", 5e-4), ("EMPTY   = ''", ""),
        ("PAIR    = (1.0, 2.0)", "(1+2j)"), ("BIG     = 99999999999999999999", 1e20),
    ],
)  # fmt: skip
def test_what_the_standard_allows_is_read_without_a_note(card, value):
    parsed = read_both_ways(card)
    assert list(parsed.cards.values()) == [value]
    assert parsed.notes == ()


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("OBJECT  = M 31 / target", "M 31"),
        ("OBJECT  = 'L0\N{GREEK SMALL LETTER GAMMA}'", "L0\N{GREEK SMALL LETTER GAMMA}"),
        ("OBJECT  = M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller", "M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller"),
        ("AIRMASS = NaN", None), ("AIRMASS = -inf", None), ("AIRMASS = 1E999", None), ("EXPTIME = 30,5", "30,5"),
        ("TIME-OBS= 03:04:05", "03:04:05"), ("DATE-OBS= 31/12/98", "31/12/98"),
        ("DATE-OBS= 2024-01-02T03:04:05", "2024-01-02T03:04:05"),
        ("EXPTIME = 30.0 s / long", "30.0 s"), ("OBJECT  = 'M 31' and more", "M 31"), ("OBJECT  = 'M\t31'", "M31"),
        ("EXPTIME =30.0", 30.0), ("exptime = 30.0", 30.0), ("OBJECT  = 'M 31\0\0'", "M 31"),
    ],
)  # fmt: skip
def test_what_it_does_not_is_read_or_left_out_and_noted(card, value):
    parsed = read_both_ways("SIMPLE  =                    T", card, "GAIN    =                  1.5")
    keyword = card[:8].strip().upper()
    assert parsed.cards == {"SIMPLE": True, keyword: value, "GAIN": 1.5}
    assert [note.split(":")[0] for note in parsed.notes] == [keyword]


@pytest.mark.parametrize(
    ("card", "field", "value"),
    [
        ("EXPTIME = 500 / [ms] exposure", "exposure_time_s", 0.5), ("EXPTIME = 2.0 / [min]", "exposure_time_s", 120),
        ("RA      = 12.5 / [h] of the telescope", "right_ascension_deg", 187.5),
    ],
)  # fmt: skip
def test_units_in_comments_count_and_are_told(card, field, value):
    text = text_of(card, "DEC     = 10.0 / [deg]")
    parsed = parse_header_text(text)
    by_text, by_header = describe(parsed.cards, parsed.units), describe_header(fits.Header.fromstring(text))
    assert getattr(by_text, field) == getattr(by_header, field) == value
    assert by_text.notes == by_header.notes
    assert by_text.notes[0].startswith(f"{card[:8].strip()}: ")


@pytest.mark.parametrize("card", ["EXPTIME = 30.0 / [s] exposure", "EXPTIME = 30.0 / [sec]", "EXPTIME = 30.0 / s [ms]"])
def test_seconds_need_no_note(card):
    found = describe_header(fits.Header.fromstring(text_of(card)))
    assert (found.exposure_time_s, found.notes) == (30.0, ())


def test_bytes_that_are_no_utf_8_are_latin_1():
    card = b"OBJECT  = 'M\xfcller'".ljust(80).decode("latin-1")
    assert parse_header_text(card).cards == {"OBJECT": "M\xfcller"}
    assert header_cards(fits.Header.fromstring(card)) == {"OBJECT": "M\xfcller"}


@pytest.mark.parametrize("empty", ["DATE-OBS=", "DATE-OBS= ''", "DATE-OBS= '        '"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_empty_card_does_not_wipe_a_usable_one(empty, is_first):
    usable = "DATE-OBS= '2024-01-02T03:04:05'"
    parsed = read_both_ways(*([empty, usable] if is_first else [usable, empty]))
    assert parsed.cards == {"DATE-OBS": "2024-01-02T03:04:05"}
    assert parsed.notes == ()


def test_of_two_values_the_last_counts_and_both_are_told():
    parsed = read_both_ways("GAIN    = 1.5", "GAIN    = 1.5", "GAIN    = 2.5")
    assert parsed.cards == {"GAIN": 2.5}
    assert parsed.notes == ("GAIN: comes twice, '1.5' and '2.5': the last counts",)


def test_an_open_quote_and_a_card_without_a_value_are_noted():
    assert read_both_ways("OBJECT  = 'M 31").notes[0].startswith("OBJECT: the closing quote is missing")
    assert "no value in 'what is this'" in parse_header_text(text_of("what is this")).notes[0]


@pytest.mark.parametrize("start", ["1", "'x", "x"])
def test_lines_of_any_length_are_read_or_noted_shortly(start):
    line = f"GAIN    = {start}".ljust(100_001, start[-1])
    parsed = parse_header_text(f"{line}\n")
    found = describe({"EXPTIME": line})
    assert [len(note) < 500 for note in (*parsed.notes, *found.notes)] == [True, True]


def test_long_texts_go_on_and_keywords_may_be_long():
    header = fits.Header()
    header["LONG"] = "x" * 200
    header["HIERARCH ESO TEL AIRM"] = 1.5
    text = header.tostring()
    parsed = parse_header_text(text)
    assert parsed.cards == {"LONG": "x" * 200, "ESO TEL AIRM": 1.5} == header_cards(fits.Header.fromstring(text))
    assert parsed.notes == ()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_may_be_longer_than_a_card(end):
    lines = [
        "\xef\xbb\xbfSIMPLE  = T",
        f"OBJECT  = 'M 31' / {'a long comment ' * 9}",
        "EXPTIME = 30.0",
        "END",
        "GAIN = 2",
    ]
    parsed = parse_header_text(end.join(lines))
    assert parsed.cards == {"SIMPLE": True, "OBJECT": "M 31", "EXPTIME": 30.0}
    assert parsed.notes == ()


on_a_card = st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n")


@given(st.lists(st.text(on_a_card, max_size=70).map("GAIN    = {}".format), max_size=4))
def test_whatever_is_on_a_card_texts_and_files_agree(cards):
    text = "".join(card.ljust(80) for card in cards)
    described, by_text = describe_header(fits.Header.fromstring(text)), parse_header_text(text)
    assert describe(by_text.cards).exposure_time_s == described.exposure_time_s
    assert by_text.cards.get("GAIN") == header_cards(fits.Header.fromstring(text)).get("GAIN")
