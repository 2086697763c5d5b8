"""`make clean` tidies up, and leaves alone what nobody can make again."""

import shutil
import subprocess

import pytest

from datalab.local.data_folder import DataFolder


@pytest.fixture
def folder(root, tmp_path):
    shutil.copy(root / "Makefile", tmp_path)
    DataFolder(tmp_path / ".datalab").close()
    (tmp_path / ".venv").mkdir()
    return tmp_path


def clean(folder):
    return subprocess.run(["make", "clean"], cwd=folder, capture_output=True, text=True, check=False)


def test_clean_never_touches_data(folder):
    assert clean(folder).returncode == 0
    assert not (folder / ".venv").exists()
    assert (folder / ".datalab" / "credentials.json").exists()


def test_clean_leaves_a_running_system_its_environment(folder):
    with DataFolder(folder / ".datalab"):
        done = clean(folder)
    assert done.returncode != 0
    assert "a system runs on .datalab" in done.stdout
    assert (folder / ".venv").exists()


def test_clean_works_where_nothing_ever_ran(folder):
    shutil.rmtree(folder / ".datalab")
    assert clean(folder).returncode == 0
    assert not (folder / ".datalab").exists()
