"""Alignment by stars of simulated pairs of images whose true place is known, of every kind that makes it hard.

A pair is `right` if no place that both images show is off by more than a pixel, or by more than three times the
uncertainty that the result tells, `refused` if the operation says that it cannot, and `wrong` otherwise: also where
images of different skies are aligned. `refused_of_alignable` counts refusals where both images clearly show five stars
or more of the same sky, by kind. `similarity_right` and `similarity_wrong` are of what nothing checks: the shift,
rotation and scale that most stars agree with, whatever the others do (`datalab.astro.sky.star_matching`).
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from statistics import median

import numpy as np

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.mosaics.alignment import align_by_stars
from datalab.astro.mosaics.placement import AlignmentError, Frame
from datalab.astro.sky.star_matching import MatchOptions, NoMatchError, match_stars
from datalab.astro.sky.wcs import PixelMapping, celestial_wcs
from datalab.astro.sources.extraction import extract_sources
from datalab.simulation.image_pair_kinds import KINDS, image_pair
from datalab.simulation.image_pairs import Exposure, ImagePair
from support import report

PAIRS = 210
ENOUGH_STARS = 5
RIGHT_PX = 1.0
PLAIN_SCALES = (0.4, 2.5)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    worst_px, seconds = 0.0, []
    for number in range(pairs):
        kind, seed = KINDS[number % len(KINDS)], number // len(KINDS)
        pair = image_pair(kind, seed)
        image, reference = frame_of(pair.image), frame_of(pair.reference)
        counts = outcomes[kind]
        counts["pairs"] += 1
        counts["similarity " + judged(pair, similarity(image, reference))[0]] += 1
        began = time.perf_counter()
        try:
            found = align_by_stars(image, reference)
        except AlignmentError as error:
            seconds.append(time.perf_counter() - began)
            counts["refused"] += 1
            if pair.alignable and pair.common >= ENOUGH_STARS:
                counts["refused alignable"] += 1
                print(f"{kind} {seed} ({pair.common} common stars): {error}")
            continue
        seconds.append(time.perf_counter() - began)
        outcome, off_px = judged(pair, found.to_image or same)
        if outcome == "wrong" and any("standard deviation" in note for note in found.notes):
            told = next(note for note in found.notes if "standard deviation" in note)
            outcome = "right" if off_px <= 3.0 * float(told.split(" to ")[1].split()[0]) else outcome
        counts[outcome] += 1
        if outcome == "wrong":
            print(f"{kind} {seed}: off by {off_px:.2f} px, {found.found_by}; {found.notes}")
        else:
            worst_px = max(worst_px, off_px)
    print(f"\n{'kind':<16}{'pairs':>6}{'right':>6}{'refused':>8}{'wrong':>6}   similarity alone: right refused wrong")
    for kind, counts in outcomes.items():
        before = [counts[f"similarity {outcome}"] for outcome in ("right", "refused", "wrong")]
        print(
            f"{kind:<16}{counts['pairs']:>6}{counts['right']:>6}{counts['refused']:>8}{counts['wrong']:>6}"
            f"{before[0]:>27}{before[1]:>8}{before[2]:>6}"
        )
    total = sum(outcomes.values(), Counter())
    report(
        "alignment_truth",
        {
            "pairs": pairs,
            "right": total["right"],
            "refused": total["refused"],
            "wrong": total["wrong"],
            "worst_px": round(worst_px, 3),
            "p50_ms": round(1000 * median(seconds), 1),
            "refused_of_alignable": {
                kind: round(counts["refused alignable"] / counts["pairs"], 3)
                for kind, counts in outcomes.items()
                if counts["refused alignable"]
            },
            "similarity_right": total["similarity right"],
            "similarity_wrong": total["similarity wrong"],
        },
    )


def frame_of(exposure: Exposure) -> Frame:
    return Frame(
        shape=exposure.pixels.shape,
        wcs=celestial_wcs(exposure.header, exposure.pixels.shape),
        stars=star_positions(extract_sources(exposure.pixels).sources),
    )


def similarity(image: Frame, reference: Frame) -> PixelMapping | None:
    """Return what shift, rotation and scale most stars agree with, without any check."""
    try:
        return match_stars(
            image.stars, reference.stars, MatchOptions(scale_range=PLAIN_SCALES, thorough=False)
        ).transform.inverse()
    except NoMatchError:
        return None


def judged(pair: ImagePair, to_image: PixelMapping | None) -> tuple[str, float]:
    """Return what became of a pair, and by how many pixels it is off where both images overlap."""
    if to_image is None:
        return "refused", 0.0
    off_px = pair.largest_error_px(to_image)
    return ("right" if off_px <= RIGHT_PX else "wrong"), off_px


def same(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x, y


if __name__ == "__main__":
    main()
