"""Aperture photometry of 100 frames with 50 stars each: all stars of a frame at once, against loops over pixels.

Both find the centroid of every star, then measure its sky and sum its aperture, with the radii of the operation's
defaults on a pixel scale of 0.74 arcsec. The loops are plain Python, once on the array as it was read and once on
nested lists, which Python gets at faster; they are timed on some of the frames only, as all take the same work. All run
in one process on frames in memory, and must give the same numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np

from datalab.astro.photometry.aperture import PixelNoise, measure
from datalab.astro.photometry.centroids import centroids
from datalab.astro.photometry.local_sky import Annulus
from datalab.simulation.psf import Moffat
from support import report

FRAMES, STARS, LOOPED_FRAMES, SIDE = 100, 50, 4, 1024
RADIUS_PX, INNER_PX, OUTER_PX = 7.64 / 0.74, 12.73 / 0.74, 19.1 / 0.74
GAIN, READ_NOISE_E, SKY = 1.7, 3.2, 120.0
SAME = 1e-6

Image = Sequence[Sequence[float]] | np.ndarray
Measurement = tuple[float, float, float, float]


def main() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(OUTER_PX + 5, SIDE - OUTER_PX - 5, (2, STARS))
    light = np.full((SIDE, SIDE), SKY)
    Moffat(2.6, 3.5).add_sources(light, x - 0.5, y - 0.5, rng.uniform(2_000, 60_000, STARS))
    frames = [frame(light, rng) for _ in range(FRAMES)]
    near = list(zip((x + rng.uniform(-1, 1, STARS)).tolist(), (y + rng.uniform(-1, 1, STARS)).tolist(), strict=True))

    began = time.perf_counter()
    ours = np.array([at_once(pixels, *np.array(near).T) for pixels in frames])
    ours_s = time.perf_counter() - began

    as_read_s, largest = time_loops([pixels.astype(np.float64) for pixels in frames[:LOOPED_FRAMES]], near, ours)
    lists = [pixels.astype(np.float64).tolist() for pixels in frames[:LOOPED_FRAMES]]
    in_lists_s, _ = time_loops(lists, near, ours)
    if largest > SAME:
        raise RuntimeError(f"the results differ by {largest}")

    ours_ms, as_read_ms, in_lists_ms = (
        1000 * ours_s / FRAMES,
        1000 * as_read_s / LOOPED_FRAMES,
        1000 * in_lists_s / LOOPED_FRAMES,
    )
    print(f"{STARS} stars on a frame, {FRAMES} frames, the loops on {LOOPED_FRAMES} of them")
    print(f"  loops over pixels of the array   {as_read_ms:8.1f} ms per frame")
    print(f"  loops over nested lists          {in_lists_ms:8.1f} ms per frame")
    print(f"  all stars at once                {ours_ms:8.1f} ms per frame")
    print(f"  largest relative difference      {largest:8.1e}")
    report(
        "aperture_photometry",
        {
            "time_ratio": round(as_read_ms / ours_ms, 1),
            "time_ratio_to_lists": round(in_lists_ms / ours_ms, 1),
            "loops_ms_per_frame": round(as_read_ms, 1),
            "ours_ms_per_frame": round(ours_ms, 2),
            "largest_difference": largest,
        },
    )


def time_loops(images: Sequence[Image], near: list[tuple[float, float]], expected: np.ndarray) -> tuple[float, float]:
    """Return the seconds loops take, and their largest relative difference from what is expected."""
    began = time.perf_counter()
    looped = np.array([[in_loops(image, *star) for star in near] for image in images])
    seconds = time.perf_counter() - began
    return seconds, float(np.abs(looped / expected[: len(images)] - 1).max())


def frame(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the light as a camera counts it."""
    electrons = rng.poisson(light * GAIN) + rng.normal(0.0, READ_NOISE_E, light.shape)
    return np.rint(electrons / GAIN).astype(np.float32)


def at_once(pixels: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x, y, net counts and their uncertainty, shape (stars, 4)."""
    annulus = Annulus(inner_px=INNER_PX, outer_px=OUTER_PX)
    found = centroids(pixels, x, y, radius_px=RADIUS_PX, annulus=annulus)
    noise = PixelNoise(gain_e=GAIN, read_noise_e=READ_NOISE_E)
    sums = measure(pixels, found.x, found.y, radius_px=RADIUS_PX, annulus=annulus, noise=noise)
    return np.stack([found.x, found.y, sums.net, sums.sigma], axis=1)


def in_loops(image: Image, x: float, y: float) -> Measurement:
    """Measure one star pixel by pixel."""
    x, y = centroid(image, x, y)
    sky, scatter, sky_pixels = background(image, x, y)
    variance = sky * GAIN + READ_NOISE_E**2 + GAIN**2 * 0.083521
    sky += 0.35 * sky / variance * min(1.0, scatter**2 * GAIN**2 / variance)
    total = area = 0.0
    for row in range(int(y - RADIUS_PX) - 1, int(y + RADIUS_PX) + 2):
        for column in range(int(x - RADIUS_PX) - 1, int(x + RADIUS_PX) + 2):
            share = overlap(column + 0.5 - x, row + 0.5 - y)
            total += share * image[row][column]
            area += share
    net = total - sky * area
    variance = sky * GAIN + READ_NOISE_E**2 + GAIN**2 * 0.083521
    noise = max(net, 0.0) * GAIN + area * (1.0 + area / sky_pixels) * variance
    return x, y, net, math.sqrt(noise) / GAIN


def overlap(dx: float, dy: float) -> float:
    distance = math.hypot(dx, dy)
    if distance <= RADIUS_PX - math.sqrt(0.5):
        return 1.0
    if distance >= RADIUS_PX + math.sqrt(0.5):
        return 0.0
    inside = 0
    for across in (-0.4, -0.2, 0.0, 0.2, 0.4):
        for up in (-0.4, -0.2, 0.0, 0.2, 0.4):
            inside += math.hypot(dx + across, dy + up) <= RADIUS_PX
    return inside / 25


def background(image: Image, x: float, y: float) -> tuple[float, float, int]:
    """Return clipped mean, standard deviation and number of the pixels of the annulus."""
    values = list(ring(image, x, y))
    kept, last_mean = values, math.inf
    for _ in range(9):
        mean = sum(kept) / len(kept)
        reach = 2.0 * math.sqrt(sum((value - mean) ** 2 for value in kept) / len(kept))
        kept = [value for value in values if mean - reach <= value <= mean + reach]
        if abs(mean - last_mean) < 0.1:
            break
        last_mean = mean
    mean = sum(kept) / len(kept)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in kept) / len(kept)), len(kept)


def ring(image: Image, x: float, y: float) -> Iterator[float]:
    for row in range(int(y - OUTER_PX) - 1, int(y + OUTER_PX) + 2):
        for column in range(int(x - OUTER_PX) - 1, int(x + OUTER_PX) + 2):
            if INNER_PX <= math.hypot(column + 0.5 - x, row + 0.5 - y) <= OUTER_PX:
                yield image[row][column]


def centroid(image: Image, x: float, y: float) -> tuple[float, float]:
    width = int(2 * RADIUS_PX)
    first_column, first_row = int(x - RADIUS_PX), int(y - RADIUS_PX)
    for _ in range(100):
        sky, _, _ = background(image, x, y)
        columns, rows = [0.0] * (width + 1), [0.0] * (width + 1)
        for up in range(width + 1):
            for across in range(width + 1):
                light = image[first_row + up][first_column + across] - sky
                columns[across] += light
                rows[up] += light
        new_x, new_y = first_column + middle(columns), first_row + middle(rows)
        shift_x, shift_y, x, y = abs(new_x - x), abs(new_y - y), new_x, new_y
        if shift_x < 0.01 and shift_y < 0.01:
            break
        first_column, first_row = int(x) - width // 2, int(y) - width // 2
    return x, y


def middle(sums: list[float]) -> float:
    """Return the centre of what exceeds the mean of the sums."""
    mean = sum(sums) / len(sums)
    excess = [max(0.0, value - mean) for value in sums]
    return sum((place + 0.5) * value for place, value in enumerate(excess)) / sum(excess)


main()
