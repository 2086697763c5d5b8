"""A sorting network for the median: a list of compare-exchanges that does not depend on the data.

References:
    K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint Computing Conference, 1968.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple


class Exchange(NamedTuple):
    """Put planes `low` and `high` in order; a side that no later step reads is not written."""

    low: int
    high: int
    keep_low: bool
    keep_high: bool


@lru_cache(maxsize=64)
def median_network(planes: int) -> tuple[Exchange, ...]:
    """Return the exchanges that bring the one or two middle ranks of `planes` values to their places, in order.

    Batcher's odd-even merge sort without the exchanges, and the sides of exchanges, that no middle rank depends on.
    """
    needed = {(planes - 1) // 2, planes // 2}
    kept: list[Exchange] = []
    for low, high in reversed(list(_sort_exchanges(planes))):
        if low in needed or high in needed:
            kept.append(Exchange(low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(kept))


def _sort_exchanges(planes: int) -> Iterator[tuple[int, int]]:
    """Yield a sorting network depth first, so that the planes of a small sub-sort are still in cache when merged.

    It is made for the next power of two; the planes beyond the last one count as infinite, so exchanges with them
    change nothing and are left out.
    """
    size = 1 << (planes - 1).bit_length()
    return ((low, high) for low, high in _sort(0, size) if high < planes)


def _sort(first: int, size: int) -> Iterator[tuple[int, int]]:
    if size > 1:
        half = size // 2
        yield from _sort(first, half)
        yield from _sort(first + half, half)
        yield from _merge(first, size, 1)


def _merge(first: int, size: int, distance: int) -> Iterator[tuple[int, int]]:
    """Merge the sorted halves of every `distance`-th plane of `size` planes starting at `first`."""
    step = 2 * distance
    if step < size:
        yield from _merge(first, size, step)
        yield from _merge(first + distance, size, step)
        yield from ((low, low + distance) for low in range(first + distance, first + size - distance, step))
    else:
        yield (first, first + distance)
