"""Shapes of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def common_shape(shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the largest (rows, columns) that every image covers when all are cropped from pixel [0, 0].

    Raises:
        ValueError: there are no shapes.
    """
    if not shapes:
        raise ValueError("no images, so no common shape")
    return min(rows for rows, _ in shapes), min(columns for _, columns in shapes)


def bands(rows: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of bands of rows, each of this height but for the last."""
    for start in range(0, rows, height):
        yield start, min(start + height, rows)
