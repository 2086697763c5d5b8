"""A frame is built from whatever files have arrived, in whatever order."""

from datetime import UTC, datetime
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import FrameFile, Observation
from datalab.documents.frame_header import header_id
from datalab.errors import UsageError
from ingest.frames.model import FrameHeader, frame_ingested, image_changed, is_news, new_frame, with_file
from support.ingest import BASE, BEGINNING, later, sha256_of

NOW = datetime(2026, 5, 5, tzinfo=UTC)
ENDINGS = ("EX00.txt", "EX01.txt", "EX00.fits.fz", "EX01.fits.fz", "EX10.fits.fz", "EX10.jpg", "EX11.jpg")


def frame_file(name, content=b"1", *, stored_at=BEGINNING):
    return FrameFile(
        key=f"data/{name}",
        size_bytes=len(content),
        sha256=sha256_of(content),
        etag="",
        media_type="",
        stored_at=stored_at,
    )


SOON, LATE = later(3600), later(7200)
UNREADABLE = "unreadable"


def header(name, public_date=None):
    source = {"txt": "text", "fits": "fits"}.get(name.split(".")[1])
    observation = Observation(target_name=name, public_date=None if public_date == UNREADABLE else public_date)
    return source and FrameHeader(
        source=source, cards={"FROM": name}, observation=observation, states_public_date=public_date is not None
    )


def added(frame, name, content=b"1", *, stored_at=BEGINNING, public_date=None, open_site=False):
    file = frame_file(name, content, stored_at=stored_at)
    said = header(name, public_date)
    return with_file(frame, name=parse_file_name(name), file=file, header=said, now=NOW, open_site=open_site)


def empty(name=f"{BASE}-EX00.txt", site="tst"):
    return new_frame(name=parse_file_name(name), site=site, frame_id=7, now=NOW)


def built(names):
    frame = empty()
    for name in names:
        frame = added(frame, name)
    return frame


@given(st.permutations([f"{BASE}-{ending}" for ending in ENDINGS]), st.integers(1, len(ENDINGS)), st.data())
def test_order_and_repetition_do_not_matter(names, count, data):
    names = names[:count]
    repeats = data.draw(st.lists(st.sampled_from(names), max_size=5))
    assert built([*names, *repeats]) == built(sorted(names))


def test_the_text_describes_the_frame_then_the_best_fits_file():
    ranking = ("EX00.txt", "EX01.txt", "EX01.fits.fz", "EX00.fits.fz", "EX10.fits.fz", "EX13.fits.fz")
    for better, worse in pairwise(ranking):
        for names in permutations([f"{BASE}-{better}", f"{BASE}-{worse}"]):
            frame = built(names)
            assert frame.header_terms == (f"FROM={BASE}-{better}".casefold().replace("from", "FROM", 1),)
            assert frame.header_id == header_id(BASE, {"FROM": f"{BASE}-{better}"})
            assert frame.target_name == f"{BASE}-{better}"
            assert frame.header_source == ("text" if better.endswith("txt") else "fits")


def test_a_jpeg_describes_nothing_but_makes_a_frame():
    frame = built([f"{BASE}-EX10.jpg"])
    assert (frame.header_id, frame.header_source, list(frame.files)) == (None, None, ["jpg_10"])
    assert (frame.instrument_id, frame.observation_day) == ("cam01", "2026-05-04")


def test_a_changed_text_is_the_new_header():
    frame = added(built([f"{BASE}-EX00.txt", f"{BASE}-EX00.fits.fz"]), f"{BASE}-EX00.txt", b"2")
    assert frame.files["txt_00"].sha256 == sha256_of(b"2")
    assert frame.header_role == "txt_00"


def test_the_reduction_level_of_an_lco_frame_is_in_its_name():
    name = "tfn0m419-sq32-20260504-0061-e91.fits.fz"
    assert added(empty(name, "tfn"), name).reduction_level == 91


def test_the_same_bytes_stored_again_are_no_news():
    name = f"{BASE}-EX10.jpg"
    before = built([name])
    after = added(before, name, stored_at=later(60))
    assert after.files["jpg_10"].stored_at == later(60)
    assert not is_news(before, after, "jpg_10")
    assert is_news(before, added(before, name, b"2"), "jpg_10")
    assert is_news(empty(), before, "jpg_10")


def test_of_two_objects_with_one_role_the_later_counts_whatever_comes_first():
    old, new = f"{BASE}-EX00.fits.fz", f"{BASE}-EX00.fits.bz2"
    frame = added(added(empty(), old), new, stored_at=later(1))
    assert frame.files["fits_00"].key == f"data/{new}"
    with pytest.raises(UsageError, match="which was stored later, is the frame's fits_00 file"):
        added(frame, old)


def test_an_event_told_again_has_the_same_id_and_another_state_another():
    frame = built([f"{BASE}-EX10.jpg"])
    told = [event_of(frame, empty(), said).event_id for said in ("a", "b")]
    assert told[0] == told[1]
    between = added(frame, f"{BASE}-EX10.jpg", b"2")
    back = added(between, f"{BASE}-EX10.jpg", b"1")
    assert event_of(back, between, "c").event_id != told[0]


def event_of(frame, before, correlation_id):
    return frame_ingested(frame, before=before, role="jpg_10", correlation_id=correlation_id, producer="p")


@pytest.mark.parametrize(
    ("endings", "changes"),
    [
        # What observatories send: the image is told of when there is something to see, and when there is more to see.
        ("EX00.txt EX10.jpg EX11.jpg", "no yes yes"),
        ("EX10.jpg EX00.txt EX11.jpg", "yes yes yes"),
        ("EX10.jpg EX11.jpg EX00.txt", "yes yes yes"),
        ("EX00.txt EX11.jpg EX00.fits.fz EX10.jpg", "no no no yes"),
        # A FITS file is shown by whether there is one of its size, and by its header while there is no better one.
        ("EX00.txt EX10.jpg EX10.fits.fz EX13.fits.fz EX00.fits.fz EX01.fits.fz", "no yes yes no yes no"),
        ("EX10.jpg EX10.fits.fz EX13.fits.fz EX01.fits.fz EX00.fits.fz", "yes yes no yes no"),
        # Another JPEG than the one that is shown, and files no image has.
        ("EX00.txt EX10.jpg EX13.jpg EX20.jpg EX01.txt", "no yes no no no"),
    ],
)
def test_an_image_is_told_of_when_who_looks_at_it_sees_another(endings, changes):
    frame, told = empty(), []
    for ending in endings.split():
        before, frame = frame, added(frame, f"{BASE}-{ending}")
        told.append("yes" if image_changed(before, frame) else "no")
    assert " ".join(told) == changes


@pytest.mark.parametrize(("ending", "changed"), [("EX10.jpg", True), ("EX00.txt", True), ("EX10.fits.fz", False)])
def test_a_replaced_file_is_another_image_if_it_is_shown(ending, changed):
    before = built([f"{BASE}-{each}" for each in ("EX00.txt", "EX10.jpg", "EX10.fits.fz")])
    assert image_changed(before, added(before, f"{BASE}-{ending}", b"2")) is changed
    assert not image_changed(before, added(before, f"{BASE}-{ending}", stored_at=later(60)))


def test_an_image_that_becomes_public_is_told_of():
    before = built([f"{BASE}-EX00.txt", f"{BASE}-EX10.jpg"])
    assert image_changed(before, added(before, f"{BASE}-EX00.fits.fz", public_date=SOON))


@pytest.mark.parametrize(
    ("text", "fits", "open_site", "public_date"),
    [
        (None, None, False, None),
        (None, None, True, NOW),
        (SOON, None, True, SOON),
        (None, SOON, True, SOON),
        (SOON, LATE, False, LATE),
        (LATE, SOON, True, LATE),
        (UNREADABLE, None, True, None),
        (None, UNREADABLE, True, None),
        (UNREADABLE, SOON, True, None),
        (SOON, UNREADABLE, True, None),
    ],
)
def test_a_frame_is_closed_as_long_as_any_of_its_headers_says(text, fits, open_site, public_date):
    said = {f"{BASE}-EX00.txt": text, f"{BASE}-EX00.fits.fz": fits, f"{BASE}-EX10.jpg": None}
    for names in permutations(said):
        frame = empty()
        for name in names:
            before, frame = frame, added(frame, name, public_date=said[name], open_site=open_site)
            assert frame.header_role or frame.public_date is None, "public before any header was read"
            assert before.public_dates.items() <= frame.public_dates.items()
        assert frame.public_date == public_date, names


def test_a_mended_header_opens_the_frame():
    name = f"{BASE}-EX00.txt"
    frame = added(empty(), name, public_date=UNREADABLE)
    assert added(frame, name, b"2", public_date=SOON).public_date == SOON
    assert added(frame, name, b"2").public_dates == {}
