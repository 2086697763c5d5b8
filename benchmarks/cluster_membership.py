"""Which stars are a cluster: the mixture of cluster and field against windows around the densest motion.

60 simulated fields of 3,000 stars, 150 of them a cluster: 300 to 2,500 pc away, seen to G 17 to 20 with Gaia's errors.
Windows: what this program did before; the densest square of 1 mas/yr, then 3 sigmas around the medians of the stars
near it. Purity is the part of those chosen that are members, F1 its harmonic mean with completeness. Then fields
without a cluster, in which nothing must be found.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from datalab.astro.catalogues.cluster import cluster_membership
from datalab.simulation.cluster_field import ClusterField, cluster_field
from support import report

FIELDS, EMPTY_FIELDS = 60, 30
EMPTY_SIZES = (100, 300, 1000, 3000)
FIRST_EMPTY_SEED = 1000
MAD = 1.4826

Chosen = NDArray[np.bool_]


def main() -> None:
    ours, cut, plain, seconds = [], [], [], []
    for seed in range(FIELDS):
        stars = cluster_field(seed)
        began = time.perf_counter()
        found = cluster_membership(**stars.kinematics())
        seconds.append(time.perf_counter() - began)
        nothing = np.zeros(len(stars.member), dtype=bool)
        ours.append(scores(nothing if found is None else found.members, stars.member))
        by_hand = nothing if found is None else found.windows.contains(**windowed(stars))
        cut.append(scores(by_hand, stars.member))
        plain.append(scores(windows_around_the_densest_motion(stars), stars.member))
    invented = sum(
        cluster_membership(**cluster_field(seed, members=0, stars=EMPTY_SIZES[seed % len(EMPTY_SIZES)]).kinematics())
        is not None
        for seed in range(FIRST_EMPTY_SEED, FIRST_EMPTY_SEED + EMPTY_FIELDS)
    )
    print(f"{FIELDS} fields, 150 members in 3,000      F1  worst   purity  worst  completeness  worst")
    for name, table in (("mixture", ours), ("windows it proposes", cut), ("windows, formerly", plain)):
        means, worst = np.mean(table, axis=0), np.min(table, axis=0)
        print(f"  {name:<28}" + "".join(f"{mean:8.3f} {least:6.3f}" for mean, least in zip(means, worst, strict=True)))
    print(f"  {EMPTY_FIELDS} fields without a cluster: {invented} found; {np.median(seconds):.2f} s for a field")
    f1, purity, completeness = np.mean(ours, axis=0)
    worst_f1, worst_purity, worst_completeness = np.min(ours, axis=0)
    report(
        "cluster_membership",
        {
            "fields": FIELDS,
            "f1": round(float(f1), 4),
            "purity": round(float(purity), 4),
            "completeness": round(float(completeness), 4),
            "worst_f1": round(float(worst_f1), 4),
            "worst_purity": round(float(worst_purity), 4),
            "worst_completeness": round(float(worst_completeness), 4),
            "windows_f1": round(float(np.mean(cut, axis=0)[0]), 4),
            "windows_purity": round(float(np.mean(cut, axis=0)[1]), 4),
            "plain_f1": round(float(np.mean(plain, axis=0)[0]), 4),
            "plain_purity": round(float(np.mean(plain, axis=0)[1]), 4),
            "empty_fields": EMPTY_FIELDS,
            "clusters_invented": int(invented),
            "seconds_per_field": round(float(np.median(seconds)), 3),
        },
    )


def scores(chosen: Chosen, member: Chosen) -> tuple[float, float, float]:
    """Return F1, purity and completeness."""
    right = np.count_nonzero(chosen & member)
    both = np.count_nonzero(chosen) + np.count_nonzero(member)
    return 2 * right / both, right / max(np.count_nonzero(chosen), 1), right / np.count_nonzero(member)


def windowed(stars: ClusterField) -> dict[str, NDArray[np.float64]]:
    return {name: getattr(stars, name) for name in ("pmra", "pmdec", "parallax", "distance")}


def windows_around_the_densest_motion(stars: ClusterField) -> Chosen:
    """Choose as this program did before: windows from all stars of a square of 5 mas/yr."""
    motions = np.column_stack([stars.pmra, stars.pmdec])
    middle = np.median(motions, axis=0)
    low, high = np.percentile(motions, (1, 99), axis=0)
    half = np.clip(np.max([middle - low, high - middle]), 25, 150)
    steps = np.arange(np.ceil(2 * half) + 1) - np.ceil(2 * half) / 2
    counts, _, _ = np.histogram2d(*motions.T, bins=(middle[0] + steps, middle[1] + steps))
    place = middle + steps[list(np.unravel_index(np.argmax(counts), counts.shape))] + 0.5
    near = (np.abs(motions - place) <= 2.5).all(axis=1)
    centre = np.median(motions[near], axis=0)
    offsets = np.hypot(*(motions - centre).T)
    radius = np.clip(3 * max(scatter(offsets[near]), np.median(offsets[near])), 0.5, 5)
    chosen = offsets <= radius
    for values, least in ((stars.parallax, 0.05), (stars.distance, 0.0)):
        reach = 3 * max(scatter(values[near]), least)
        chosen &= np.abs(values - np.median(values[near])) <= reach
    return chosen


def scatter(values: NDArray[np.float64]) -> float:
    return MAD * float(np.median(np.abs(values - np.median(values))))


if __name__ == "__main__":
    main()
