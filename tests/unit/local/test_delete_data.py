"""Data go only when somebody says so, and never under a running system."""

import os

import pytest

from datalab.local.data_folder import DataFolder, DataFolderBusyError, DataFolderError
from datalab.local.delete_data import delete_data


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "night"
    DataFolder(root).close()
    (root / "s3" / "frame.fits").write_bytes(b"pixels")
    return root


def test_the_right_answer_deletes(root):
    asked = []

    def ask(question):
        asked.append(question)
        return "delete\n"

    assert delete_data(root, ask=ask) == f"deleted {root}"
    assert not root.exists()
    assert str(root) in asked[0]


@pytest.mark.parametrize("answer", ["", "y", "yes", "Delete it"])
def test_any_other_answer_deletes_nothing(root, answer):
    assert delete_data(root, ask=lambda _: answer) == "nothing was deleted"
    assert (root / "s3" / "frame.fits").exists()
    DataFolder(root).close()  # and it can be used again


@pytest.mark.parametrize("error", [EOFError, KeyboardInterrupt])
def test_nobody_to_ask_deletes_nothing(root, error):
    def ask(_question):
        raise error

    assert delete_data(root, ask=ask) == "nothing was deleted"
    assert (root / "s3" / "frame.fits").exists()


def test_a_folder_in_use_is_refused_without_a_question(root, monkeypatch):
    with DataFolder(root):
        monkeypatch.setattr("datalab.local.data_folder.LOCK_PATIENCE_S", 0.0)
        with pytest.raises(DataFolderBusyError, match=f"in use by process {os.getpid()}"):
            delete_data(root, ask=lambda _: pytest.fail("asked"))
    assert (root / "s3" / "frame.fits").exists()


def test_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("three years")
    with pytest.raises(DataFolderError, match="not a data folder"):
        delete_data(tmp_path, ask=lambda _: pytest.fail("asked"))
    assert (tmp_path / "thesis.tex").exists()


def test_no_folder_is_no_error(tmp_path):
    assert (
        delete_data(tmp_path / "none", ask=lambda _: pytest.fail("asked")) == f"there is no data folder {tmp_path}/none"
    )
