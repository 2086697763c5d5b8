"""One run at a time, credentials for ever, nothing left of a killed run."""

import json
import os
import stat
import subprocess
import sys

import psutil
import pytest

from datalab.local import data_folder
from datalab.local.data_folder import MARK_VARIABLE, DataFolder, DataFolderBusyError, DataFolderError
from support.stand_in import alive

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]


@pytest.fixture
def orphan(tmp_path):
    """Start a process as a killed run of tmp_path/lab leaves it; it inherits nothing but the mark."""
    process = subprocess.Popen(SLEEP, env={MARK_VARIABLE: str((tmp_path / "lab").resolve())})
    yield process
    process.kill()
    process.wait()


def test_the_second_run_is_refused_and_told_who_holds_the_folder(tmp_path):
    with DataFolder(tmp_path / "lab"):
        with pytest.raises(DataFolderBusyError, match=f"in use by process {os.getpid()}") as caught:
            DataFolder(tmp_path / "lab")
        assert caught.value.holder_pid == os.getpid()
    with DataFolder(tmp_path / "lab"):
        pass


def test_a_lock_file_alone_locks_nothing(tmp_path):
    root = tmp_path / "lab"
    root.mkdir()
    (root / "lock").write_text(json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time()}))
    with DataFolder(root):
        pass


def test_a_damaged_lock_file_is_no_obstacle(tmp_path):
    root = tmp_path / "lab"
    root.mkdir()
    (root / "lock").write_text('{"pid": ')
    with DataFolder(root):
        assert json.loads((root / "lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("holder_reaped", [True, False])
def test_orphans_that_hold_the_inherited_lock_are_ended(tmp_path, holder_reaped):
    with DataFolder(tmp_path / "lab") as folder:
        mark, lock = {**folder.mark}, folder.lock_fd
        orphan = subprocess.Popen(SLEEP, env=mark, pass_fds=(lock,))
        # What the folder looks like after its holder was killed.
        holder = subprocess.Popen(SLEEP)
        started = psutil.Process(holder.pid).create_time()
        holder.kill()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        if holder_reaped:
            holder.wait()
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": holder.pid, "started": started}).encode(), 0)
    with DataFolder(tmp_path / "lab"):
        assert not alive(orphan.pid)
    holder.wait()
    orphan.wait()


def test_orphans_without_the_lock_are_ended_too(tmp_path, orphan):
    with DataFolder(tmp_path / "lab"):
        assert not alive(orphan.pid)


def test_processes_of_another_folder_are_left_alone(tmp_path, orphan):
    with DataFolder(tmp_path / "another"):
        assert alive(orphan.pid)


def test_a_holder_nobody_can_see_is_waited_for_then_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(data_folder, "LOCK_PATIENCE_S", 0.2)
    with DataFolder(tmp_path / "lab") as folder:
        os.ftruncate(folder.lock_fd, 0)
        with pytest.raises(DataFolderBusyError, match="cannot be seen from here"):
            DataFolder(tmp_path / "lab")


def test_credentials_are_made_once_and_private(tmp_path):
    with DataFolder(tmp_path / "lab") as first:
        credentials = first.credentials
    with DataFolder(tmp_path / "lab") as second:
        assert second.credentials == credentials
    assert stat.S_IMODE((tmp_path / "lab" / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "lab").stat().st_mode) == 0o700
    with DataFolder(tmp_path / "another") as another:
        assert another.credentials.nats_password != credentials.nats_password


def test_credentials_are_not_in_a_repr(tmp_path):
    with DataFolder(tmp_path / "lab") as folder:
        shown = repr(folder.credentials)
        for password in ("nats_password", "mongo_password", "s3_secret_key"):
            assert getattr(folder.credentials, password) not in shown


def test_damaged_credentials_are_an_error_not_new_ones(tmp_path):
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(DataFolderError, match="damaged"):
        DataFolder(tmp_path)
    (tmp_path / "credentials.json").unlink()
    with DataFolder(tmp_path):  # the failed attempt has let the lock go
        pass


def test_files_of_an_earlier_run_go_and_data_stays(tmp_path):
    with DataFolder(tmp_path) as folder:
        (folder.s3 / "object").write_text("kept")
        (folder.run / "nats-server_1.ports").write_text("{}")
        os.link(folder.run / "nats-server_1.ports", tmp_path / "stale")
    (tmp_path / "stale").rename(tmp_path / "run" / "nats-server_1.ports")
    with DataFolder(tmp_path) as folder:
        assert list(folder.run.iterdir()) == []
        assert (folder.s3 / "object").read_text() == "kept"


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="Not a directory"):
        DataFolder(tmp_path / "file" / "lab")
