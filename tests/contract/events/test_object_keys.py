"""Object keys are stored in documents, events and links: their forms are promised as those of events are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from datalab.events import object_keys as keys
from datalab.platform.objects.keys import valid_key

SHA256 = "57ca906d" * 8
#: Of the parameters of a rendering, as canonical JSON.
HOW = "e1444297439a4f0f9bc5ca2c31d2e3aa9a5841bc57445ea68bef7dae32765ac8"

PROMISED = {
    "data/tst-cam01-20260504-00000042-EX00.fits.fz": keys.data_key("tst-cam01-20260504-00000042-EX00.fits.fz"),
    f"results/5/7/c/{SHA256}/{SHA256}-1.fits": keys.result_file_key(SHA256, f"{SHA256}-1.fits"),
    f"results/5/7/c/{SHA256}/manifest.json": keys.manifest_key(SHA256),
    f"downloads/{SHA256}-get-tif-v1.tif": keys.rendering_key(
        sha256=SHA256, action="get-tif", version=1, extension=".tif"
    ),
    f"downloads/{SHA256}-get-tif-16bit-v1-{HOW}.tif.bz2": keys.rendering_key(
        sha256=SHA256, action="get-tif-16bit", version=1, extension=".tif.bz2", parameters={"stretch": "linear"}
    ),
    "downloads/zips/6b0ad092867ab7bdb849fba53e1e276f8e603b0c7e821132844ba764565cff3b.zip": keys.zip_keys(
        [("a.fits", SHA256)]
    )[0],
    "downloads/zips/6b0ad092867ab7bdb849fba53e1e276f8e603b0c7e821132844ba764565cff3b.json": keys.zip_keys(
        [("a.fits", SHA256)]
    )[1],
    "versions/data/a.fits/20261129T010203Z-60c1cfe3681e44d8": keys.version_key(
        "data/a.fits", stored_at=datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC), etag="0123"
    ),
    "people/ada/upload-1/M 31.fits": keys.personal_key(owner="ada", upload_id="upload-1", name="M 31.fits"),
    "recorded/0123abcd/tst1m012-ab12-20260504-0001-e91.fits.fz": keys.recorded_key(
        "0123abcd", "tst1m012-ab12-20260504-0001-e91.fits.fz"
    ),
    "incoming/upload-1/00042": keys.part_key("upload-1", 42),
    "previews/57/ca906d57ca906d57/tst-cam01-20260504-00000042-EX11.jpg": keys.preview_key(
        source_sha256=SHA256, name="tst-cam01-20260504-00000042-EX11.jpg"
    ),
    "gaia/dr3-0123abcd/3-4-5.vot": keys.gaia_key(kind="0123abcd", circle="3-4-5"),
}


@pytest.mark.parametrize("promised", PROMISED)
def test_a_key_has_the_form_it_always_had(promised):
    assert PROMISED[promised] == promised
    assert valid_key(promised) == promised


@pytest.mark.parametrize("key", PROMISED)
def test_a_key_is_in_its_family(key):
    family, rest = keys.split_key(key)
    assert family in keys.FAMILIES
    assert family + rest == key


@pytest.mark.parametrize("key", ["", "data", "/data/a", "database/a", "other/a"])
def test_what_is_in_no_family_is_said_to_be(key):
    assert keys.split_key(key)[0] is None


def test_every_family_has_a_name_of_its_own():
    assert len(set(keys.FAMILIES)) == len(keys.FAMILIES)
    assert all(keys.split_key(f"{family}a") == (family, "a") for family in keys.FAMILIES)


def test_the_store_announces_the_files_of_observatories():
    setup = Path(__file__).parents[3].joinpath("deploy/minio/setup.sh").read_text()
    assert f"for prefix in {keys.DATA} {keys.INFO_IMAGES} {keys.ALLSKY}; do" in setup
    assert '--event put --prefix "$prefix"\n' in setup
