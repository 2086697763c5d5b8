"""What was sent is remembered, whatever happened to whoever wrote it down."""

import os
from dataclasses import replace

import pytest

from datalab.cli.work.journal import Journal, JournalEntry, JournalError

ENTRY = JournalEntry(path="a.fits", size_bytes=3, mtime_ns=1_800_000_000_123_456_789, sha256="ab" * 32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".night.sent-tst.jsonl"


def written(path, *entries):
    with Journal(path) as journal:
        for entry in entries:
            journal.write(entry)


def read(path, *names):
    with Journal(path) as journal:
        return [journal.find(name) for name in names]


def test_the_last_word_on_a_file_is_remembered(path):
    offered = replace(ENTRY, monitor="upload/1")
    told = replace(offered, verdict="ingested", frame="a", reason="it is \N{SNOWMAN}")
    written(path, offered, replace(ENTRY, path="b.fits"), told)
    assert read(path, "a.fits", "b.fits", "c.fits") == [told, replace(ENTRY, path="b.fits"), None]
    assert len(path.read_text().splitlines()) == 2  # once opened anew


def test_names_that_are_no_text_are_remembered(path):
    odd = replace(ENTRY, path=os.fsdecode(b"\xff\xfe.fits"))
    written(path, odd)
    assert read(path, odd.path) == [odd]


@pytest.mark.parametrize("cut", [2, 10, 100])
def test_a_line_that_was_cut_short_costs_nothing_but_itself(path, cut):
    written(path, ENTRY)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b"a.fits", b"b.fits")[:-cut])
    written(path, replace(ENTRY, path="c.fits"))
    assert read(path, "a.fits", "b.fits", "c.fits") == [ENTRY, None, replace(ENTRY, path="c.fits")]


@pytest.mark.parametrize("line", ["", "[]", "1", "null", "{}", '{"path": "x"}', '{"path": "x", "more": 1}'])
def test_lines_of_others_are_left_out(path, line):
    path.write_text(f"{line}\n")
    assert read(path, "x", "a.fits") == [None, None]


def test_two_do_not_write_at_once(path):
    with Journal(path), pytest.raises(JournalError, match="in use by another"), Journal(path):
        pass
    written(path, ENTRY)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with (
        pytest.raises(JournalError, match="cannot be written: No such file or directory; --state"),
        Journal(tmp_path / "no" / "x"),
    ):
        pass
