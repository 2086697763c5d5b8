"""The list of sites, and what the servers read of it."""

import json
from fnmatch import fnmatchcase

import pytest

from datalab.errors import UsageError
from datalab.local.access import AccessFolder, upload_policy
from datalab.platform.bus.accounts import Login

SERVICES = Login("datalab", "of the services")


@pytest.fixture
def access(tmp_path):
    return AccessFolder(tmp_path / "access")


def write(access):
    access.write_configuration(services=SERVICES, object_store=None, bucket="datalab")
    text = access.accounts_file.read_text()
    return json.loads(text.split("accounts:", 1)[1])


def test_each_site_has_an_account_and_keys_of_its_own(access):
    tst, mrc = access.add("tst"), access.add("mrc")
    accounts = write(access)
    assert accounts.keys() == {"SYSTEM", "SERVICES", "SITE_tst", "SITE_mrc"}
    assert [name for name, account in accounts.items() if "jetstream" in account] == ["SERVICES"]
    secrets = {tst.nats_password, tst.s3_secret_key, mrc.nats_password, mrc.s3_secret_key, access.system.password}
    assert len(secrets) == 5
    users = (access.root / "s3-users").read_text().splitlines()
    assert users == [f"mrc site-mrc {mrc.s3_secret_key}", f"tst site-tst {tst.s3_secret_key}"]


def test_what_was_written_once_stays(access):
    access.add("tst")
    system, sites = access.system, access.sites()
    first = write(access)
    assert (access.system, access.sites(), write(access)) == (system, sites, first)


def test_a_site_that_goes_leaves_nothing(access):
    access.add("tst")
    write(access)
    access.remove("tst")
    assert "SITE_tst" not in write(access)
    assert (access.root / "s3-users").read_text() == ""
    assert list((access.root / "s3-policies").iterdir()) == []


def test_everything_is_private(access):
    access.add("tst")
    write(access)
    files = [path for path in access.root.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert {path.stat().st_mode & 0o077 for path in [access.root, *files]} == {0}
    assert "nats_password" not in repr(access.sites())


@pytest.mark.parametrize(
    ("services", "complaint"),
    [("observatory-tst", "a site's: here the services' own user is needed"), ("system", "need users of their own")],
)
def test_services_under_a_name_that_may_do_less_are_refused_before_anything_is_written(access, services, complaint):
    access.add("tst")
    before = write(access)
    with pytest.raises(UsageError, match=complaint):
        access.write_configuration(services=Login(services, "x"), object_store=None, bucket="datalab")
    assert write(access) == before


@pytest.mark.parametrize("name", ["", "a.b", "a b", "*", ">", "tst\n", "../x", "é", "x" * 65, 'a"b'])
def test_a_name_that_is_no_token_of_a_subject_is_refused(access, name):
    with pytest.raises(UsageError, match="no code of a site"):
        access.add(name)


def test_a_site_has_one_set_of_credentials(access):
    access.add("tst")
    with pytest.raises(UsageError, match="`datalab sites remove tst` first"):
        access.add("tst")
    with pytest.raises(UsageError, match="site mrc has no credentials; those that have: tst"):
        access.remove("mrc")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"sites": {"tst": {"x": 1}}, "system_password": "x"}'])
def test_a_damaged_list_is_an_error_not_an_empty_one(access, damage):
    access.add("tst")
    (access.root / "sites.json").write_text(damage)
    with pytest.raises(UsageError, match=r"sites\.json cannot be read"):
        access.add("mrc")
    assert (access.root / "sites.json").read_text() == damage


@pytest.mark.parametrize(
    "action", ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutBucketPolicy"]
)
@pytest.mark.parametrize(
    ("key", "own"),
    [
        ("data/tst-cam01-20260504-00000042-EX00.fits.fz", True),
        ("data/tst0m406-kb84-20260504-0042-e91.fits.fz", True),
        ("data/mrc-cam01-20260504-00000042-EX00.fits.fz", False),
        ("data/tstx-cam01-20260504-00000042-EX00.fits.fz", False),
        ("data/m31.fits", False),
        ("info-images/tst-cam01-20260504-00000042-EX10.jpg", True),
        ("allsky/tst-sky.jpg", True),
        ("allsky/mrc-sky.jpg", False),
        ("test/tst-sky.jpg", False),
        ("results/1/tst-x.fits", False),
        ("", False),
    ],
)
def test_a_key_stores_and_reads_the_files_of_its_site_only(action, key, own):
    resource = f"arn:aws:s3:::datalab/{key}" if key else "arn:aws:s3:::datalab"
    allowed = any(
        fnmatchcase(action, pattern) and fnmatchcase(resource, covered)
        for statement in upload_policy("tst", bucket="datalab")["Statement"]
        for pattern in statement["Action"]
        for covered in statement["Resource"]
    )
    assert allowed == (own and action in {"s3:PutObject", "s3:GetObject"})
