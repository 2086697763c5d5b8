"""Files as people have them: every one is read right, or what cannot be read is left out and told."""

from collections import Counter

import pytest

from corpus.collection import KINDS
from corpus.verdicts import verdict

FILES = [file for files in KINDS.values() for file in files]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wrong_lost_in_silence_or_read_in_two_ways(kind, tmp_path):
    verdicts = [verdict(file, tmp_path) for file in KINDS[kind]]
    amiss = [str(found) for found in verdicts if not found.is_right]
    assert not amiss, "\n".join([f"{len(amiss)} of {len(verdicts)}", *amiss])


def test_every_file_has_a_name_of_its_own_and_is_small_and_the_same_each_time():
    assert [name for name, count in Counter(file.name for file in FILES).items() if count > 1] == []
    assert len(FILES) >= 150
    for file in FILES[::5]:
        content = file.build()
        assert len(content) <= 2**17
        assert content == file.build()
