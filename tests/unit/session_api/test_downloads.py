"""Downloads: what is asked for, and in which words that is refused."""

from datetime import UTC, datetime

import pytest

from datalab.documents.frame import FrameDocument
from datalab.errors import UsageError
from datalab.events.object_keys import rendering_key, zip_keys
from session_api.downloads.model import Size, file_of, wanted_archive, wanted_download, without_fits_ending
from session_api.downloads.service import _Names, _require_small
from session_api.web.failures import RefusedError
from session_api.web.user import User
from support.session_api import frame_document, frame_file, stored_file

NAME = "tst-cam1-20261118-00000001-EX00.fits.fz"


@pytest.mark.parametrize(
    ("said", "form"),
    [
        (None, "fits"),
        ("fits", "fits"),
        ("fits.fz", "fits"),
        ("FZ", "fits"),
        ("tif", "tif"),
        ("TIFF", "tif"),
        ("raw", "raw"),
        ("jpg", "raw"),
        ("", "fits"),
    ],
)
def test_forms_are_told_by_the_words_clients_use(said, form):
    assert wanted_download(name=NAME, folder="data", form=said, stretch=None).form == form


@pytest.mark.parametrize(
    ("said", "stretch"), [(None, "arcsinh"), ("arcsinh", "arcsinh"), ("linear", "linear"), ("log", "linear")]
)
def test_a_stretch_that_is_not_arcsinh_is_linear(said, stretch):
    assert wanted_download(name=NAME, folder="data", form="tif", stretch=said).stretch == stretch


@pytest.mark.parametrize("folder", ["", "Data", "results", "downloads", "people", "data/..", "versions"])
def test_other_folders_are_refused_in_the_words_of_uploads(folder):
    with pytest.raises(RefusedError, match=r"^s3_directory must be either 'data', 'info-images', or 'allsky'\.$"):
        wanted_download(name=NAME, folder=folder, form=None, stretch=None)


@pytest.mark.parametrize("name", ["", "../x.fits", "a/b.fits", "..", "a\\b", "x" * 256, "a\nb.fits"])
def test_names_that_are_no_names_are_refused(name):
    with pytest.raises(UsageError, match="plain file name"):
        wanted_download(name=name, folder="data", form=None, stretch=None)


@pytest.mark.parametrize("given", [1657865312, 1657865312.9, "1657865312", "1657865312.9", " 1657865312 "])
def test_instants_are_unix_seconds_cut_off(given):
    wanted = wanted_archive(site="tst", start=given, end=1657865313, size="LARGE")
    assert wanted.start == datetime(2022, 7, 15, 6, 8, 32, tzinfo=UTC)
    assert wanted.size is Size.LARGE


@pytest.mark.parametrize("given", [None, True, "yesterday", "2022-07-15", [], {}, 1e300, "9" * 18, float("nan")])
def test_what_is_no_instant_is_told(given):
    with pytest.raises(UsageError, match=r"^end_timestamp_s must be unix seconds, as 1657865312\.$"):
        wanted_archive(site="tst", start=1, end=given, size="best")


def test_a_size_that_is_none_is_told():
    with pytest.raises(UsageError, match=r"^fits_size must be either 'small', 'large', or 'best'\.$"):
        wanted_archive(site="tst", start=1, end=2, size="huge")


@pytest.mark.parametrize(
    ("roles", "small", "large", "best"),
    [
        (["fits_00"], None, "fits_00", "fits_00"),
        (["fits_01", "fits_00"], None, "fits_01", "fits_01"),
        (["fits_10"], "fits_10", None, "fits_10"),
        (["fits_13", "fits_10", "fits_00"], "fits_10", "fits_00", "fits_00"),
        (["fits"], None, "fits", "fits"),
        (["jpg_10"], None, None, None),
    ],
)
def test_sizes_choose_one_file_of_a_frame(roles, small, large, best):
    chosen = [
        next((role for role in size.roles if role in roles), None) for size in (Size.SMALL, Size.LARGE, Size.BEST)
    ]
    assert chosen == [small, large, best]


def test_of_the_levels_of_one_size_either_stands_for_the_other():
    file = frame_file(stored_file("data/x-EX00.fits.bz2"))
    frame = FrameDocument.model_validate(frame_document("x", files={"fits_00": file}))
    assert file_of(frame, "fits_00") == file_of(frame, "fits_01") == file
    assert file_of(frame, "fits_10") is file_of(frame, "jpg_10") is None


@pytest.mark.parametrize("ending", [".fits", ".fits.fz", ".fits.bz2", ".fits.gz"])
def test_the_name_of_a_fits_file_without_its_ending(ending):
    assert without_fits_ending(f"a.b-EX00{ending}") == "a.b-EX00"
    assert without_fits_ending("a.jpg") == "a.jpg"


def test_archives_are_named_by_what_is_in_them():
    members = [("a.fits", "ab" * 32), ("b.fits", "cd" * 32)]
    key, list_key = zip_keys(members)
    assert key.startswith("downloads/zips/")
    assert (key.removesuffix(".zip"), zip_keys(members[::-1])) == (list_key.removesuffix(".json"), (key, list_key))
    others = [
        members[:1],
        [("a.fits", "cd" * 32), ("b.fits", "ab" * 32)],
        [("a.fits", "ab" * 32), ("c.fits", "cd" * 32)],
    ]
    assert len({zip_keys(other)[0] for other in [members, *others]}) == 4


def test_names_that_would_sum_alike_in_32_bits_do_not_share_an_archive():
    # "Aa" and "BB" have the same 32-bit hash in the former service.
    assert zip_keys([("Aa", "ab" * 32)]) != zip_keys([("BB", "ab" * 32)])


def test_renderings_are_named_by_content_and_parameters():
    given = {"sha256": "ab" * 32, "action": "paint", "version": 1, "extension": ".png"}
    keys = {rendering_key(**given, parameters=parameters) for parameters in (None, {"a": 1}, {"a": 2}, {"a": "1"})}
    assert len(keys) == 4
    assert rendering_key(**given) == rendering_key(**given, parameters={}) == f"downloads/{'ab' * 32}-paint-v1.png"


def test_members_of_one_name_get_names_of_their_own():
    names = _Names()
    assert [names.free(name) for name in ("d/a", "d/a", "d/b", "d/a")] == ["d/a", "d/2-a", "d/b", "d/3-a"]


@pytest.mark.parametrize(
    ("username", "files", "gib", "limit"),
    [
        ("", 2_000, 8, "An archive without a token has at most 2000 files and 8 GiB: ask for less at once."),
        ("ada", 20_000, 64, "An archive has at most 20000 files and 64 GiB: ask for less at once."),
    ],
)
def test_archives_are_smaller_for_those_nobody_knows(username, files, gib, limit):
    _require_small(User(username), files, gib * 1024**3)
    for more in ((files + 1, 1), (1, gib * 1024**3 + 1)):
        with pytest.raises(UsageError) as told:
            _require_small(User(username), *more)
        assert told.value.message == limit
