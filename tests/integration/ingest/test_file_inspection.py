"""Looking inside files, whole and damaged ones."""

import bz2
import gzip
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.documents.file_names import Content
from datalab.errors import UsageError
from ingest.inspection.file import inspect_file
from support.fits_files import header_text, image_header, packed_fits, pixels, plain_fits, written

MEBIBYTE = 1024**2
PACKED = packed_fits()


@pytest.fixture
def inspect(tmp_path):
    def inspected(data, content=Content.FITS, compression="", *, max_expanded_bytes=MEBIBYTE):
        path = tmp_path / "file"
        path.write_bytes(data)
        return inspect_file(path, content, compression, max_expanded_bytes=max_expanded_bytes)

    return inspected


@pytest.mark.parametrize(
    ("data", "compression"),
    [
        (plain_fits(), ""),
        (PACKED, "fz"),
        (gzip.compress(plain_fits()), "gz"),
        (bz2.compress(plain_fits()), "bz2"),
        (written(fits.PrimaryHDU(), fits.ImageHDU(pixels(), image_header())), ""),
    ],
    ids=["plain", "packed", "gzip", "bzip2", "extension"],
)
def test_the_header_of_the_science_image_describes_the_exposure(inspect, data, compression):
    header = inspect(data, compression=compression).header
    assert (header.source, header.cards["OBJECT"], header.cards["NAXIS1"]) == ("fits", "M 51", 40)
    observation = header.observation
    assert observation.observation_date == datetime(2026, 5, 4, 22, 0, 1, 417000, tzinfo=UTC)
    assert (observation.exposure_time_s, observation.filter_name) == (12.5, "rp")
    assert (observation.right_ascension_deg, observation.declination_deg) == (202.47, 47.2)
    assert (observation.observation_day, observation.proposal_id) == ("2026-05-04", "PTR2026-007")
    ras, decs = zip(*header.footprint, strict=True)
    assert np.ptp(decs) == pytest.approx(32 * 2e-4, rel=1e-3)
    assert np.mean(ras) == pytest.approx(202.47, abs=1e-3)
    assert header.notes == ()


def test_a_packed_image_shows_its_own_header_not_that_of_its_table(inspect):
    cards = inspect(PACKED, compression="fz").header.cards
    assert cards["XTENSION"].strip() == "IMAGE"
    assert not {"ZIMAGE", "TFIELDS", "TTYPE1"} & set(cards)


def test_cards_of_an_empty_primary_hdu_count_where_the_image_has_none(inspect):
    primary = fits.PrimaryHDU(header=fits.Header([("OBSERVER", "Ada"), ("OBJECT", "sky")]))
    cards = inspect(written(primary, fits.ImageHDU(pixels(), image_header()))).header.cards
    assert (cards["OBSERVER"], cards["OBJECT"]) == ("Ada", "M 51")


def test_a_header_text_says_the_same_as_the_image(inspect):
    header = inspect(header_text(), Content.HEADER_TEXT).header
    same = inspect(plain_fits()).header
    assert (header.source, header.observation) == ("text", same.observation)
    assert header.footprint == same.footprint


def test_one_bad_card_costs_nothing_but_itself(inspect):
    header = inspect(header_text(EXPTIME="long"), Content.HEADER_TEXT).header
    assert (header.observation.exposure_time_s, header.observation.filter_name) == (None, "rp")
    assert any("EXPTIME" in note for note in header.notes)


def test_a_missing_fill_is_remarked_and_trailing_junk_too(inspect):
    whole = plain_fits()
    assert inspect(whole[:-100]).header.notes == ("the last block of HDU 0 is not filled up",)
    assert inspect(whole + b"junk").header.notes == ("what follows HDU 0 is not FITS",)
    assert inspect(whole + bytes(2880)).header.notes == ()


def cut(data, fraction):
    return data[: int(len(data) * fraction)]


def with_card(card):
    """Return a plain file with the card of this keyword replaced."""
    data = plain_fits()
    start = data.index(card[:8].encode())
    return data[:start] + card.ljust(80).encode() + data[start + 80 :]


def damaged_tiles():
    """The same file with the compressed rows overwritten."""
    start = PACKED.index(b"XTENSION= 'BINTABLE'")
    end = PACKED.index(b"EXTNAME = 'CAT")
    rows = start + 2 * 2880
    return PACKED[:rows] + b"\xff" * 600 + PACKED[rows + 600 : end] + PACKED[end:]


@pytest.mark.parametrize(
    ("data", "compression", "reason"),
    [
        (b"not FITS at all", "", "does not begin with the card SIMPLE"),
        (b"SIMPLE  =", "", "ends inside the header of HDU 0"),
        (cut(plain_fits(), 0.9), "", "HDU 0 declares 2560 bytes of data, the file ends after"),
        (cut(PACKED, 0.5), "fz", r"HDU 1 \(SCI\) declares|inside the header of HDU 1"),
        (cut(gzip.compress(plain_fits()), 0.9), "gz", "cut short"),
        (cut(bz2.compress(plain_fits()), 0.9), "bz2", "cut short"),
        (gzip.compress(plain_fits())[:-8] + b"\0" * 8, "gz", "damaged: CRC"),
        (gzip.compress(bytes(4 * MEBIBYTE)), "gz", "does not begin with the card SIMPLE"),
        (gzip.compress(plain_fits() + bytes(4 * MEBIBYTE)), "gz", "more than 1048576 bytes when expanded"),
        (gzip.compress(plain_fits()), "", "compressed as .gz, but its name ends in .fits"),
        (gzip.compress(plain_fits()), "bz2", "compressed as .gz, but its name ends in .bz2"),
        (plain_fits(), "bz2", "not compressed, but its name ends in .bz2"),
        (PACKED.replace(b"ZBITPIX =", b"XBITPIX ="), "fz", "ZBITPIX is missing"),
        (gzip.compress(PACKED), "gz", r"compressed image in a \.gz file; store it as \.fits\.fz"),
        (damaged_tiles(), "fz", "the compressed pixels cannot be decoded"),
        (written(fits.PrimaryHDU()), "", "has no image"),
        (written(fits.PrimaryHDU(np.zeros((2, 3, 4), np.float32))), "", "3 dimensions"),
        (with_card(f"BITPIX  = {17:20}"), "", "BITPIX is 17"),
        (with_card(f"NAXIS1  = {-40:20}"), "", "NAXIS1 is -40"),
        (with_card("NAXIS1  = 'many'"), "", "NAXIS1 is not an integer"),
        (with_card("NAXIS2  "), "", "NAXIS2 is"),
        (with_card(f"NAXIS2  = {10**19:20}"), "", "the file ends after"),
    ],
)
def test_the_error_says_what_is_wrong(inspect, data, compression, reason):
    with pytest.raises(UsageError, match=reason):
        inspect(data, compression=compression)


@pytest.mark.parametrize(("pack", "compression"), [(gzip.compress, "gz"), (bz2.compress, "bz2")])
def test_what_expands_beyond_all_likelihood_is_given_up_early(inspect, monkeypatch, pack, compression):
    zeros = pack(plain_fits() + bytes(32 * MEBIBYTE))
    monkeypatch.setattr("ingest.inspection.file._FREE_EXPANSION_BYTES", 2 * MEBIBYTE)
    with pytest.raises(UsageError, match="bytes when expanded"):
        inspect(zeros, compression=compression, max_expanded_bytes=1024**3)
    noise = np.random.default_rng(1).integers(0, 2**16, (1024, 1024)).astype(np.uint16)
    inspect(pack(written(fits.PrimaryHDU(noise, image_header()))), compression=compression, max_expanded_bytes=1024**3)


def test_a_header_without_end_is_not_read_for_ever(inspect):
    with pytest.raises(UsageError, match="no END card within"):
        inspect(b"SIMPLE  =".ljust(6 * MEBIBYTE), max_expanded_bytes=10 * MEBIBYTE)


def test_what_is_named_a_text_or_a_picture_must_be_one(inspect):
    with pytest.raises(UsageError, match="no header cards"):
        inspect(bytes(range(256)) * 20, Content.HEADER_TEXT)
    with pytest.raises(UsageError, match="none"):
        inspect(b" " * (5 * MEBIBYTE), Content.HEADER_TEXT)
    with pytest.raises(UsageError, match="not a JPEG"):
        inspect(b"GIF89a", Content.JPEG)
    assert inspect(b"\xff\xd8\xff\xe0", Content.JPEG).media_type == "image/jpeg"


#: By compression; a failing example names its sample instead of showing all of it.
SAMPLES = {"fz": PACKED, "": plain_fits(), "gz": gzip.compress(plain_fits())}


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=20),
    st.floats(0.05, 1),
)
def test_any_damage_is_a_usage_error_at_worst(compression, changes, kept):
    damaged = bytearray(SAMPLES[compression])
    for position, value in changes:
        damaged[int(position * len(damaged))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(cut(bytes(damaged), kept))
        try:
            found = inspect_file(path, Content.FITS, compression, max_expanded_bytes=MEBIBYTE)
        except UsageError:
            return
        found.model_dump_json()


@pytest.mark.parametrize("said", ["2099-13-45", "2099/01/01", "never", "", " ", "N/A", 20990101, True])
@pytest.mark.parametrize("kind", [Content.FITS, Content.HEADER_TEXT])
def test_a_public_date_nobody_can_read_is_noted_as_one_that_was_stated(inspect, said, kind):
    make = plain_fits if kind is Content.FITS else header_text
    header = inspect(make(L1PUBDAT=said), kind).header
    assert header.states_public_date
    assert header.observation.public_date is None
    assert [note.partition(":")[0] for note in header.notes] == ["L1PUBDAT"]


@pytest.mark.parametrize("card", ["L1PUBDAT= '2099-01-01", "L1PUBDAT  2099-01-01", "L1PUBDAT=", "l1pubdat= 'x'"])
def test_a_damaged_card_states_a_public_date_too(inspect, card):
    header = inspect(f"OBJECT  = 'M 51'\n{card}\n".encode(), Content.HEADER_TEXT).header
    assert header.states_public_date
    assert header.observation.public_date is None


@pytest.mark.parametrize("years", [(2020, 2099), (2099, 2020)])
def test_of_two_public_dates_in_one_header_none_counts(inspect, years):
    cards = "".join(f"L1PUBDAT= '{year}-01-01'\n" for year in years)
    header = inspect(f"OBJECT  = 'M 51'\n{cards}".encode(), Content.HEADER_TEXT).header
    assert header.states_public_date
    assert header.observation.public_date is None


@pytest.mark.parametrize(("make", "kind"), [(plain_fits, Content.FITS), (header_text, Content.HEADER_TEXT)])
def test_a_header_states_a_public_date_or_not(inspect, make, kind):
    assert not inspect(make(), kind).header.states_public_date
    dated = inspect(make(L1PUBDAT="2027-05-04T22:00:01"), kind).header
    assert dated.states_public_date
    assert dated.observation.public_date == datetime(2027, 5, 4, 22, 0, 1, tzinfo=UTC)
