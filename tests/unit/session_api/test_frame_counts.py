"""Counts are exact as long as that takes no time; of many frames a sample tells."""

import pytest

from session_api.archive.model import FrameFilter
from session_api.archive.service import MOST_COUNTED, FrameCount, FrameService


class EveryNth:
    """An archive with frames 1 to `largest`, of which a part fits, evenly."""

    def __init__(self, largest, share):
        self._largest, self._share = largest, share
        self.counted = 0

    async def largest_number(self):
        return self._largest

    async def count(self, proposals, chosen, *, most):
        if chosen.numbers is None:
            self.counted += 1
            return min(most, round(self._largest * self._share))
        return sum(number <= self._largest and number % 100 < 100 * self._share for number in chosen.numbers)


class NothingTallied:
    async def find(self, proposals, chosen):
        return None


def counting(frames):
    return FrameService(frames=frames, tallies=NothingTallied(), outputs=None)


@pytest.mark.parametrize(
    ("largest", "share", "exactly"),
    [(0, 1, 0), (100_000, 1, 100_000), (1_000_000, 0.1, 100_000), (1_000_000, 0.0, 0), (10_000_000, 0.01, 100_000)],
)
async def test_few_frames_are_counted(largest, share, exactly):
    assert await counting(EveryNth(largest, share))._count((), FrameFilter()) == FrameCount(exactly)


@pytest.mark.parametrize(("largest", "share"), [(1_000_000, 0.3), (1_000_000, 1), (123_456, 0.99), (10_000_000, 0.1)])
async def test_many_are_estimated_without_being_counted(largest, share):
    frames = EveryNth(largest, share)
    count = await counting(frames)._count((), FrameFilter())
    assert count.estimated
    standard_error = (share * (1 - share) / 1000) ** 0.5
    assert count.frames == pytest.approx(largest * share, abs=largest * (4 * standard_error + 0.01))
    assert frames.counted == 0


async def test_what_the_sample_misses_is_told_as_more_than_was_counted():
    count = await counting(EveryNth(1_000_000, 0.11))._count((), FrameFilter())
    assert count.estimated
    assert count.frames > MOST_COUNTED
