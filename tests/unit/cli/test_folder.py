"""Which files of a folder are complete."""

import os

import pytest

from datalab.cli.work.folder import WatchedFolder

SETTLE_S = 2.0


class Clocks:
    def __init__(self):
        self.monotonic, self.now = 100.0, 1_800_000_000.0

    def pass_by(self, seconds):
        self.monotonic += seconds
        self.now += seconds


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def watched(tmp_path, clocks):
    def make(**options):
        return WatchedFolder(
            tmp_path,
            settle_s=SETTLE_S,
            monotonic=lambda: clocks.monotonic,
            now=lambda: clocks.now,
            **{"subfolders": False, **options},
        )

    return make


def write(path, content, at):
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def names(look):
    return [seen.path.name for seen in look.complete]


def test_a_file_is_complete_when_nothing_changes_any_more(tmp_path, watched, clocks):
    folder = watched()
    file = write(tmp_path / "a.fits", b"1", clocks.now)
    assert (names(folder.look()), folder.look().changing) == ([], True)
    clocks.pass_by(1)
    write(file, b"12", clocks.now)  # still being written
    folder.look()
    clocks.pass_by(1.5)
    assert names(folder.look()) == []
    clocks.pass_by(0.5)
    look = folder.look()
    assert (names(look), look.changing) == (["a.fits"], False)
    assert (look.complete[0].size_bytes, look.complete[0].mtime_ns) == (2, int((clocks.now - 2) * 1e9))


def test_a_file_that_was_moved_in_is_complete_at_once(tmp_path, watched, clocks):
    write(tmp_path / "a.fits", b"1", clocks.now - 3600)
    assert names(watched().look()) == ["a.fits"]


def test_a_clock_that_is_ahead_does_not_hold_a_file_up(tmp_path, watched, clocks):
    folder = watched()
    write(tmp_path / "a.fits", b"1", clocks.now + 86_400)
    assert names(folder.look()) == []
    clocks.pass_by(SETTLE_S)
    assert names(folder.look()) == ["a.fits"]


def test_the_oldest_comes_first(tmp_path, watched, clocks):
    for name, age in (("b", 100), ("c", 300), ("a", 100)):
        write(tmp_path / name, b"1", clocks.now - age)
    assert names(watched().look()) == ["c", "a", "b"]


@pytest.mark.parametrize(
    "name", [".a.fits", "a.fits.tmp", "a.fits.PART", "a.fits~", "~a.fits", "a.filepart", ".a.fits.Xy12ab", "a.swp"]
)
def test_files_that_are_being_written_are_no_files_yet(tmp_path, watched, clocks, name):
    file = write(tmp_path / name, b"1", clocks.now - 3600)
    assert watched().look().complete == []
    file.rename(tmp_path / "a.fits")
    assert names(watched().look()) == ["a.fits"]


def test_folders_below_are_looked_into_if_that_is_said(tmp_path, watched, clocks):
    (tmp_path / "night" / "deep").mkdir(parents=True)
    (tmp_path / ".trash").mkdir()
    write(tmp_path / "night" / "deep" / "a.fits", b"1", clocks.now - 3600)
    write(tmp_path / ".trash" / "b.fits", b"1", clocks.now - 3600)
    (tmp_path / "round").symlink_to(tmp_path)
    assert names(watched().look()) == []
    assert names(watched(subfolders=True).look()) == ["a.fits"]


def test_names_and_links_that_are_odd(tmp_path, watched, clocks):
    write(tmp_path / os.fsdecode(b"\xff\xfe.fits"), b"1", 1)
    (tmp_path / "nowhere.fits").symlink_to(tmp_path / "gone")
    write(tmp_path / "real", b"1", clocks.now - 3600)
    (tmp_path / "linked.fits").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe.fits")
    assert names(watched().look()) == [os.fsdecode(b"\xff\xfe.fits"), "linked.fits", "real"]


def test_a_folder_that_is_gone_is_said(tmp_path, watched):
    folder = watched()
    folder.look()
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError):
        folder.look()
