"""deploy/minio/setup.sh: which commands of MinIO's client it calls."""

import os
import subprocess

import pytest

#: Says what the client would, and keeps what it was asked.
MC = """#!/bin/sh
echo "$*" >> "$MC_LOG"
case "$*" in
  "admin user list datalab")
    printf 'enabled  site-gone  site-gone\\n'
    printf 'enabled  site-tst  site-tst\\n'
    printf 'enabled  datalab  readwrite\\n' ;;
  *"--user site-tst") printf 'User: site-tst\\n  Policies:\\n    site-tst\\n' ;;
esac
"""


@pytest.fixture
def asked(root, tmp_path):
    (tmp_path / "mc").write_text(MC)
    (tmp_path / "mc").chmod(0o755)
    (tmp_path / "s3-users").write_text("mrc site-mrc secret-m\ntst site-tst secret-t\n")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MC_LOG": str(tmp_path / "log"),
        "ACCESS_DIR": str(tmp_path),
        "S3_BUCKET": "datalab",
        "S3_ACCESS_KEY": "datalab",
        "S3_SECRET_KEY": "secret",
    }
    subprocess.run(["sh", root / "deploy/minio/setup.sh"], env=environment, check=True)
    return (tmp_path / "log").read_text().splitlines()


def test_every_site_is_a_user_with_its_own_policy(asked, tmp_path):
    for site, secret in (("mrc", "secret-m"), ("tst", "secret-t")):
        assert f"admin user add datalab site-{site} {secret}" in asked
        assert f"admin policy create datalab site-{site} {tmp_path}/s3-policies/{site}.json" in asked
    assert "admin policy attach datalab site-mrc --user site-mrc" in asked
    assert "admin policy attach datalab site-tst --user site-tst" not in asked  # it is


def test_who_is_no_site_any_more_is_removed_and_nobody_else(asked):
    assert [line for line in asked if "remove" in line] == ["admin user remove datalab site-gone"]
