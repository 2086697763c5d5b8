"""What file names say."""

import re
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datalab.documents.file_names import (
    Content,
    Convention,
    frame_file_name,
    parse_file_name,
    uploaded_file_name,
)
from datalab.errors import UsageError

SITES = st.from_regex(r"[A-Za-z0-9]{3,6}", fullmatch=True)
INSTRUMENTS = st.from_regex(r"[A-Za-z0-9_]{1,12}", fullmatch=True)
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1))
COUNTERS = st.from_regex(r"[0-9]{8}", fullmatch=True)
TYPES = st.from_regex(r"[A-Za-z]{1,3}", fullmatch=True)
LEVELS = st.from_regex(r"[0-9]{2}", fullmatch=True)
ENDINGS = st.sampled_from(["txt", "jpg", "fits", "fits.fz", "fits.bz2", "fits.gz", "png"])


@given(SITES, INSTRUMENTS, DAYS, COUNTERS, TYPES, LEVELS, ENDINGS)
def test_photon_ranch_names_come_apart_into_their_parts(site, instrument, day, counter, data_type, level, ending):
    base = f"{site}-{instrument}-{day:%Y%m%d}-{counter}"
    name = parse_file_name(f"{base}-{data_type}{level}.{ending}")
    extension, _, compression = ending.partition(".")
    assert (name.convention, name.basename) == (Convention.PHOTON_RANCH, base)
    assert (name.site, name.instrument, name.observation_day) == (site, instrument, day)
    assert (name.data_type, name.role, name.compression) == (data_type, f"{extension}_{level}", compression)


@given(st.text(max_size=300))
@example("data/../../etc/passwd")
@example("a.b-c.d-1-00000000")
@example("sro-kb001ms-20220629-00010442-EX01")
@example("sro-kb001ms-20220629-00010442-EX01.fits.fz\n")
@example("tst-٣-20220629-00010442-EX01.fits")
def test_any_text_is_a_name_or_a_usage_error_and_a_role_is_fit_for_a_document(text):
    try:
        name = parse_file_name(text)
    except UsageError:
        return
    assert re.fullmatch(r"[a-z0-9_]+", name.role)
    assert name.basename
    assert text.startswith(name.basename)
    assert not {"/", "\\", "\0"} & set(name.basename)


@given(st.text(max_size=300))
def test_an_error_text_can_be_shown_whatever_the_key(text):
    with pytest.raises(UsageError) as refused:
        frame_file_name(f"nowhere/{text}")
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "role", "content"),
    [
        ("sro-kb001ms-20220629-00010442-EX01.txt", "txt_01", Content.HEADER_TEXT),
        ("sro-kb001ms-20220629-00010442-EX01.fits.bz2", "fits_01", Content.FITS),
        ("sro-kb001ms-20220629-00010442-EX10.jpg", "jpg_10", Content.JPEG),
        ("sro-kb001ms-20220629-00010442-EX11.JPG", "jpg_11", Content.JPEG),
        ("sro-kb001ms-20220629-00010442-EX20.tif", "tif_20", Content.OPAQUE),
        ("aro1-sq003ms_expose_pl-20250426-00091326-EX00.fits.fz", "fits_00", Content.FITS),
    ],
)
def test_role_and_content_follow_from_level_and_extension(text, role, content):
    name = parse_file_name(text)
    assert (name.role, name.content) == (role, content)


def test_an_lco_name_is_a_frame_of_its_own():
    name = parse_file_name("tfn0m419-sq32-20260504-0061-e91.fits.fz")
    assert (name.convention, name.basename, name.role) == (Convention.LCO, "tfn0m419-sq32-20260504-0061-e91", "fits")
    assert (name.site, name.instrument, name.observation_day) == ("tfn", "sq32", date(2026, 5, 4))
    assert (name.data_type, name.reduction_level, name.compression) == ("e", 91, "fz")


@pytest.mark.parametrize(
    "text", ["M 51 (stack), v1.2.fits", "fits_1.fits.fz", "coj1m003-fa19-20240101-bias-bin1x1.fits"]
)
def test_any_other_safe_name_is_that_of_a_fits_file_of_no_known_site(text):
    name = parse_file_name(text)
    assert (name.convention, name.site, name.role) == (Convention.OTHER, None, "fits")
    assert name.basename == text[: text.index(".fits")]


@pytest.mark.parametrize(
    ("text", "basename", "compression"),
    [
        ("c.fit", "c", ""),
        ("D.FITS", "D", ""),
        ("e.fts.gz", "e", "gz"),
        ("M 31 [Ha].FITS", "M 31 _Ha_", ""),
        ("[Ha] M31.Fit.FZ", "Ha_ M31", "fz"),
        ("Nébuleuse.fits", "N_buleuse", ""),
        ("light#3 @-10C.fit", "light_3 _-10C", ""),
    ],
)
def test_names_as_people_give_them_make_safe_ones(text, basename, compression):
    name = parse_file_name(text)
    assert (name.convention, name.basename, name.role) == (Convention.OTHER, basename, "fits")
    assert (name.content, name.compression) == (Content.FITS, compression)
    assert parse_file_name(f"{basename}.fits").basename == basename


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ada~m31.fit", "is neither"),
        ("[].fits", "is neither"),
        ("bad_filename", "is neither {site}-{instrument}"),
        ("", "is neither"),
        (".fits", "is neither"),
        ("notes.txt", "is neither"),
        ("M51.fits.zip", "known compressions are"),
        ("tfn0m419-sq32-20261304-0061-e91.fits", "20261304, which is not a day"),
        ("tst-cam01-20260231-00000042-EX00.fits", "20260231, which is not a day"),
        ("ab-cam01-20260504-00000042-EX00.fits", "the site is 'ab'"),
        ("observatory-cam01-20260504-00000042-EX00.fits", "the site is 'observatory'"),
        ("tst-cam.1-20260504-00000042-EX00.fits", "the instrument is 'cam.1'"),
        ("tst-cäm-20260504-00000042-EX00.fits", "the instrument is 'cäm'"),
        ("tst-cam01-2026054-00000042-EX00.fits", "the date is '2026054'"),
        ("tst-cam01-20260504-00000042.fits", "0 parts instead of one follow the counter"),
        ("tst-cam01-20260504-00000042-EX00-small.fits", "2 parts instead of one"),
        ("tst-cam01-20260504-00000042-EX.fits", "type and level are 'EX'"),
        ("tst-cam01-20260504-00000042-E100.fits", "type and level are 'E100'"),
        ("tst-cam01-20260504-00000042-EX00.f1ts", "the extension is 'f1ts'"),
        ("tst-cam01-20260504-00000042-EX00", "the extension is ''"),
        ("tst-cam01-20260504-00000042-EX00.jpg.gz", "only FITS files may be compressed"),
        ("tst-cam01-20260504-00000042-EX00.fits.zip", "known compressions are"),
        ("x" * 300 + ".fits", "has 305 characters"),
    ],
)
def test_the_error_says_what_is_wrong(text, what):
    with pytest.raises(UsageError, match=re.escape(what)):
        parse_file_name(text)


def test_only_the_data_folder_holds_frames():
    assert frame_file_name("data/a.fits") == "a.fits"
    for folder in ("info-images", "allsky", "test", "downloads", "results"):
        assert frame_file_name(f"{folder}/a/b.fits") is None
    assert frame_file_name("data/tst-20260504.token") is None


@pytest.mark.parametrize(
    "key",
    ["a.fits", "", "/data/a.fits", "data/", "data//a.fits", "data/../x", "data/b/a.fits", "other/a.fits", "data/a\n"],
)
def test_other_keys_are_refused(key):
    with pytest.raises(UsageError, match="the object key"):
        frame_file_name(key)


@pytest.mark.parametrize(
    ("name", "basename", "compression"),
    [
        ("m31.fits", "ada~m31", ""),
        ("M 31 [Ha].FIT", "ada~M 31 _Ha_", ""),
        ("tst-cam01-20260504-00000042-EX00.fits.fz", "ada~tst-cam01-20260504-00000042-EX00", "fz"),
        ("Nébuleuse.fts.GZ", "ada~N_buleuse", "gz"),
        ("a.fits.fits", "ada~a.fits", ""),
        ("eve~m31.fits", "ada~eve_m31", ""),
    ],
)
def test_a_users_own_file_makes_a_frame_nobody_else_can_name(name, basename, compression):
    read = uploaded_file_name(name, owner="ada")
    assert (read.basename, read.compression, read.role, read.site) == (basename, compression, "fits", None)
    assert read.content is Content.FITS
    with pytest.raises(UsageError):
        parse_file_name(f"{basename}.fits")


@pytest.mark.parametrize(
    "name", ["", ".fits", "a.jpg", "a.fits.zip", "a/b.fits", "..\\b.fits", "a\0.fits", f"{'x' * 260}.fits"]
)
def test_what_is_no_file_of_a_user(name):
    with pytest.raises(UsageError):
        uploaded_file_name(name, owner="ada")
