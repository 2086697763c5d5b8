"""What each file of an exposure brings to its frame, by the rules of Photon Ranch: from the bytes to the document."""

import bz2

import pytest

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import FrameFile
from datalab.documents.header_terms import term_of
from ingest.frames.model import new_frame, with_file
from ingest.inspection.file import inspect_file
from support.fits_files import header_text, packed_fits, plain_fits
from support.ingest import BASE, BEGINNING, sha256_of

JPEG = b"\xff\xd8\xff\xe0 picture"
#: As `str(astropy.io.fits.Header)` writes it: cards of 80 characters glued together, END, blanks up to 2880.
TEXT = header_text()


@pytest.fixture
def frame_of(tmp_path):
    def built(*files):
        frame = None
        for number, (ending, content) in enumerate(files):
            name = parse_file_name(f"{BASE}-{ending}")
            path = tmp_path / str(number)
            path.write_bytes(content)
            found = inspect_file(path, name.content, name.compression, max_expanded_bytes=2**20)
            file = FrameFile(
                key=f"data/{BASE}-{ending}",
                size_bytes=len(content),
                sha256=sha256_of(content),
                etag="",
                media_type=found.media_type,
                stored_at=BEGINNING,
            )
            frame = frame or new_frame(name=name, site="tst", frame_id=1, now=BEGINNING)
            frame = with_file(frame, name=name, file=file, header=found.header, now=BEGINNING)
        return frame

    return built


@pytest.mark.parametrize(
    ("ending", "content", "role", "described"),
    [
        ("EX00.txt", TEXT, "txt_00", True),
        ("EX01.txt", TEXT, "txt_01", True),
        ("E00.txt", TEXT, "txt_00", True),
        ("EX00.fits.fz", packed_fits(), "fits_00", True),
        ("EX01.fits", plain_fits(), "fits_01", True),
        ("EX00.fits.bz2", bz2.compress(plain_fits()), "fits_00", True),
        ("EX10.fits.bz2", bz2.compress(plain_fits()), "fits_10", True),
        ("EX13.fits.fz", packed_fits(), "fits_13", True),
        ("EX10.jpg", JPEG, "jpg_10", False),
        ("EX13.jpg", JPEG, "jpg_13", False),
        ("EX11.jpg", JPEG, "jpg_11", False),
        ("EX20.jpg", JPEG, "jpg_20", False),
        ("EX00.csv", b"a,b", "csv_00", False),
    ],
)
def test_any_file_alone_makes_a_frame_and_those_with_a_header_describe_it(frame_of, ending, content, role, described):
    frame = frame_of((ending, content))
    assert list(frame.files) == [role]
    assert (frame.header_id is not None) == described
    assert frame.data_type == ending.partition(".")[0][:-2]
    if described:
        assert (frame.right_ascension_deg, frame.declination_deg, frame.filter_name) == (202.47, 47.2, "rp")
        assert frame.capture_date == frame.observation_date
    else:
        assert frame.capture_date == BEGINNING  # until a header says when


def test_a_header_without_a_date_loses_nothing_but_the_date(frame_of):
    frame = frame_of(("EX00.txt", header_text(**{"DATE-OBS": ""})))
    assert (frame.observation_date, frame.capture_date) == (None, BEGINNING)
    assert (frame.filter_name, frame.exposure_time_s) == ("rp", 12.5)


@pytest.mark.parametrize("value", ["high", "NaN", "1e999", "T"])
def test_a_number_that_is_none_is_left_out_noted_and_kept_as_text(frame_of, value):
    text = header_text().replace(b"AIRMASS", b"NOTHING")
    card = f"AIRMASS = '{value}'".ljust(80).encode()
    frame = frame_of(("EX00.txt", card + text))
    assert frame.airmass is None
    assert term_of("AIRMASS", value) in frame.header_terms
    assert any("AIRMASS" in note for note in frame.notes)
    assert frame.filter_name == "rp"


@pytest.mark.parametrize(
    ("said", "ra", "dec"),
    [
        ({"OBJCTRA": 83.82, "OBJCTDEC": -5.39}, 83.82, -5.39),
        ({"RA": "05:35:16.8", "DEC": "-05:23:24"}, 83.82, -5.39),
        ({"CRVAL1": 83.82, "CRVAL2": -5.39}, 83.82, -5.39),
    ],
)
def test_right_ascension_is_in_degrees_however_it_is_said(frame_of, said, ra, dec):
    cards = "".join(
        f"{key:8}= {value!r}".ljust(80) for key, value in {"DATE-OBS": "2026-05-04T22:00:01", **said}.items()
    )
    frame = frame_of(("EX00.txt", cards.encode()))
    assert frame.right_ascension_deg == pytest.approx(ra)
    assert frame.declination_deg == pytest.approx(dec)


@pytest.mark.parametrize(
    ("stack", "number", "stack_id", "stack_number"),
    [
        ("300923213005", "3", "300923213005", 3),
        ("300923213005", 3, "300923213005", 3),
        ("no", "0", None, 0),
        ("ssk_id_1696109405", 0, None, 0),
        ("", "", None, None),
    ],
)
def test_a_smart_stack_is_known_by_its_number_in_text_and_fits(frame_of, stack, number, stack_id, stack_number):
    for ending, content in (
        ("EX00.txt", header_text(SMARTSTK=stack, SSTKNUM=number)),
        ("EX00.fits", plain_fits(SMARTSTK=stack, SSTKNUM=number)),
    ):
        frame = frame_of((ending, content))
        assert (frame.stack_id, frame.stack_number) == (stack_id, stack_number)
