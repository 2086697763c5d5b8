import io
import json
import string

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.products.provenance import output_records, provenance_cards

KEY = "57ca906d" * 8


def cards(**changes):
    values = {
        "software_version": "1.2.3",
        "operation": "Median",
        "operation_version": "2",
        "parameters": {},
        "inputs": [("fits_1", "a" * 64), ("fits_2", "b" * 64)],
        "result_key": KEY,
        "comment": "Datalab Median on fits_1, fits_2",
    }
    return provenance_cards(**values | changes)


def written_and_read(header_cards):
    file = io.BytesIO()
    fits.PrimaryHDU(header=fits.Header(header_cards)).writeto(file, output_verify="exception", checksum=True)
    file.seek(0)
    with fits.open(file) as hdus:
        hdus.verify("exception")
        return hdus[0].header


def output_header(reference, shape, **own):
    return fits.Header.fromstring("".join(output_records(reference, shape, **own)))


def labelled(header, label):
    return [line.removeprefix(label) for line in header["HISTORY"] if line.startswith(label)]


def test_a_product_names_its_key_its_makers_and_its_inputs():
    header = written_and_read(cards())
    assert header["DLAB_KEY"] == KEY
    assert (header["DLABVER"], header["DLABOP"], header["DLABOPV"], header["DLABNIN"]) == ("1.2.3", "Median", "2", 2)
    assert labelled(header, "input ") == ["fits_1", "fits_2"]
    assert labelled(header, "sha256 ") == ["a" * 64, "b" * 64]
    assert list(header["COMMENT"]) == ["Datalab Median on fits_1, fits_2"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_parameters_come_back_as_they_were(parameters):
    header = written_and_read(cards(parameters=parameters))
    assert json.loads("".join(labelled(header, "json "))) == parameters


def test_blanks_survive_at_every_cut():
    parameters = {"text": "word " * 40 + " " * 200}
    header = written_and_read(cards(parameters=parameters))
    assert json.loads("".join(labelled(header, "json "))) == parameters


@given(st.text(alphabet=string.ascii_letters + " ,_é\n\x00☆", min_size=1, max_size=400))
def test_any_text_makes_valid_cards(text):
    header = written_and_read(cards(comment=text, operation=text[:60], inputs=[(text, "c" * 64)]))
    assert header["DLABNIN"] == 1
    assert "".join(labelled(header, "sha256 ")) == "c" * 64


def test_a_long_comment_goes_on_in_more_cards():
    comment = "Datalab Median on " + ", ".join(f"frame_{number:04d}" for number in range(100))
    header = written_and_read(cards(comment=comment))
    assert len(header["COMMENT"]) > 10
    assert "".join(header["COMMENT"]) == comment


def test_parameters_beyond_json_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        cards(parameters={"limit": float("nan")})


def science_header():
    header = fits.Header()
    header.update(
        {
            "EXTNAME": "RAW", "OBJECT": "M 42", "SATURATE": 60000, "DATAMAX": 5.0, "DATASEC": "[1:200,1:100]",
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 83.8, "CRVAL2": -5.4, "CRPIX1": 100.0,
            "CRPIX2": 50.0, "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4, "ZD": 31.5,
        }
    )  # fmt: skip
    header.add_history("bias subtracted")
    return header


def compressed_reference():
    """The header of a tile-compressed table with everything compression, scaling and checksums write."""
    pixels = np.arange(20_000, dtype=np.uint16).reshape(100, 200)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, science_header())]).writeto(file, checksum=True)
    file.seek(0)
    with fits.open(file, disable_image_compression=True) as hdus:
        header = hdus[1].header.copy()
    assert {"ZIMAGE", "TFORM1", "ZNAXIS1", "CHECKSUM"} <= set(header)
    header["FZALGOR"] = "RICE_1"
    return header


def test_a_new_image_takes_the_science_cards_and_no_storage_cards():
    header = output_header(compressed_reference(), (100, 200))
    assert set(header) == (set(science_header()) - {"DATAMAX"})
    assert header["EXTNAME"] == "SCI"
    assert header["OBJECT"] == "M 42"
    assert list(header["HISTORY"]) == ["bias subtracted"]


def test_the_sky_position_of_a_pixel_stays_in_a_corner_crop():
    header = output_header(science_header(), (60, 80))
    pixels = np.random.default_rng(1).normal(0, 1, (60, 80)).astype(np.float32)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, header)]).writeto(file, output_verify="exception")
    file.seek(0)
    with fits.open(file) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["SCI"].data, pixels)
        found = WCS(hdus["SCI"].header).all_pix2world([[10, 20]], 0)
    np.testing.assert_allclose(found, WCS(science_header()).all_pix2world([[10, 20]], 0), rtol=1e-12)


def test_regions_are_kept_only_while_they_are_true():
    reference = compressed_reference()
    assert "DATASEC" in output_header(reference, (100, 200))
    assert "DATASEC" not in output_header(reference, (100, 199))


@pytest.mark.parametrize("broken", ["BRO$KEN = 5", "BROKEN  = 'open", "BROKEN  = \x07"])
def test_a_card_beyond_repair_is_left_out_and_the_reference_stays(broken):
    reference = science_header()
    reference.append(fits.Card.fromstring(broken.ljust(80)), end=True)
    header = output_header(reference, (100, 200))
    assert set(header) == set(output_header(science_header(), (100, 200)))
    assert len(reference) == len(science_header()) + 1
    written_and_read(list(header.cards))


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("OBJECT  = M 31", "M 31"),
        ("OBJECT  = 'L0\xce\xb3'", r"L0\u03b3"),
        ("EXPTIME =45.0", 45.0),
        ("OBJECT  = 'x\x01y'", "xy"),
    ],
)
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")
def test_a_card_that_only_we_can_read_is_written_anew(card, value):
    reference = science_header()
    keyword = card[:8].strip()
    reference.remove(keyword, ignore_missing=True)
    reference.append(fits.Card.fromstring(card.ljust(80)), end=True)
    assert written_and_read(list(output_header(reference, (100, 200)).cards))[keyword] == value


def test_an_empty_card_wipes_no_value():
    reference = science_header()
    reference.append(fits.Card.fromstring("OBJECT  = ''".ljust(80)), end=True)
    assert output_header(reference, (100, 200))["OBJECT"] == science_header()["OBJECT"]


def test_an_untidy_card_is_mended():
    reference = science_header()
    reference.append(fits.Card.fromstring("untidy  = 1.2.3".ljust(80)), end=True)
    header = written_and_read(list(output_header(reference, (100, 200)).cards))
    assert header["UNTIDY"] == "1.2.3"


def test_every_text_fills_its_columns_and_own_cards_replace_others():
    reference = science_header()
    reference["LONG"] = "x" * 200
    records = output_records(reference, (100, 200), own=[fits.Card("OBJECT", "M 43"), fits.Card("PLANE1", "rp")])
    assert all(len(each) % 80 == 0 for each in records)
    assert max(map(len, records)) == 240
    header = fits.Header.fromstring("".join(records))
    assert (header["OBJECT"], header["PLANE1"], header["LONG"]) == ("M 43", "rp", "x" * 200)
    assert header.count("OBJECT") == 1


def test_of_a_keyword_that_comes_twice_the_last_card_counts():
    reference = science_header()
    reference.append(("OBJECT", "M 43"), end=True)
    header = output_header(reference, (100, 200))
    assert header.count("OBJECT") == 1
    assert header["OBJECT"] == "M 43"


def test_what_was_read_and_is_as_the_standard_wants_it_stays_as_it_is():
    cards = ["EXPTIME =              1.50D+1 / long", "FLAG    = T", "NOTHING =", "A_B-C   = 'it''s'  / 'quoted'"]
    reference = fits.Header.fromstring("".join(card.ljust(80) for card in cards))
    written = [card.rstrip() for card in output_records(reference, (1, 1))[1:]]
    assert written[0] == cards[0]
    assert written[3] == cards[3]
