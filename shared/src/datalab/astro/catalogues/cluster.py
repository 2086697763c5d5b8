"""Star clusters: which stars of a field belong together, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datalab.astro.catalogues.mixture import Kinematics, Mixture, fit_mixture
from datalab.astro.types import FloatArray, Mask

_LEAST_MOVING_STARS = 10
_LEAST_MEMBERS = 5
#: How much likelier the stars must be with a cluster than without (ln): the model has eight numbers more, and a clump
#: by chance has the more places the more stars there are. Simulated fields without a cluster reach 14 (60 stars) to 21
#: (3,000), where this asks for 26 and 40; clusters of 15 stars among 1,000 have 45 and more.
_LEAST_GAIN, _GAIN_PER_LN_STARS = 12.0, 3.5
#: A member is likelier one than not, and of all members this part should be right.
_LEAST_PROBABILITY, _EXPECTED_PURITY = 0.5, 0.94
#: Windows are chosen among this many sizes, by these shares of members outside on either side, so often in turn.
_WINDOW_TRIALS, _MOST_OUTSIDE, _WINDOW_ROUNDS = 21, 0.1, 2
#: No window is narrower (mas/yr), and limits are this far (mas, pc) from the last star inside: they are shown rounded.
_LEAST_RADIUS, _PARALLAX_MARGIN, _DISTANCE_MARGIN = 0.1, 0.001, 0.1


@dataclass(frozen=True, slots=True)
class Windows:
    """Limits that hold a cluster's stars and few others: mas/yr, mas, pc. None = nothing can be said."""

    pmra: float
    pmdec: float
    pm_radius: float
    parallax_min: float | None
    parallax_max: float | None
    distance_min: float | None
    distance_max: float | None

    def contains(self, *, pmra: FloatArray, pmdec: FloatArray, parallax: FloatArray, distance: FloatArray) -> Mask:
        """Tell which stars are inside, shape (n,). What is not known of a star does not speak against it but motion.

        Args:
            pmra: proper motion along the parallel, mas/yr, shape (n,), NaN where unknown.
            pmdec: the same along the meridian.
            parallax: mas, likewise.
            distance: pc, likewise.
        """
        return (
            (np.hypot(pmra - self.pmra, pmdec - self.pmdec) <= self.pm_radius)
            & _not_outside(parallax, self.parallax_min, self.parallax_max)
            & _not_outside(distance, self.distance_min, self.distance_max)
        )


@dataclass(frozen=True, slots=True)
class Membership:
    """Which stars are a cluster.

    `probabilities` (n,) are NaN for stars whose motion is unknown; a star is a member from `threshold` on, and of the
    members about `expected_purity` are right. `windows` are limits for those who cut by hand.
    """

    windows: Windows
    probabilities: FloatArray
    threshold: float
    expected_purity: float

    @property
    def members(self) -> Mask:
        """Which stars are members, shape (n,)."""
        return self.probabilities >= self.threshold


def cluster_membership(
    *,
    pmra: FloatArray,
    pmra_error: FloatArray,
    pmdec: FloatArray,
    pmdec_error: FloatArray,
    parallax: FloatArray,
    parallax_error: FloatArray,
    distance: FloatArray,
    offsets: FloatArray | None = None,
) -> Membership | None:
    """Find the cluster of a field by the motions, parallaxes and places of its stars.

    A mixture of cluster and field (see `datalab.astro.catalogues.mixture`) gives each star a probability. None if
    fewer than 10 stars have a proper motion, or no 5 of them move together more than those of a field do by chance.

    Args:
        pmra: proper motion along the parallel, mas/yr, shape (n,), NaN where unknown; so are all others.
        pmra_error: its error, mas/yr.
        pmdec: proper motion along the meridian, mas/yr.
        pmdec_error: its error, mas/yr.
        parallax: mas.
        parallax_error: mas.
        distance: pc; only for the windows, because it is from the parallax.
        offsets: shape (n, 2), places from the middle of a round field, in units of its radius; None if not to be used.
    """
    values = np.stack([pmra, pmdec, parallax], axis=1).astype(np.float64)
    errors = np.stack([pmra_error, pmdec_error, parallax_error], axis=1).astype(np.float64)
    moving = np.isfinite(values[:, :2]).all(axis=1)
    if np.count_nonzero(moving) < _LEAST_MOVING_STARS:
        return None
    stars = Kinematics.of(values[moving], errors[moving], None if offsets is None else offsets[moving])
    found = fit_mixture(stars)
    if found is None or found.gain < _LEAST_GAIN + _GAIN_PER_LN_STARS * np.log(len(stars)):
        return None
    threshold = _threshold(found.probabilities)
    members = found.probabilities >= threshold
    if np.count_nonzero(members) < _LEAST_MEMBERS:
        return None
    probabilities = np.full(len(values), np.nan)
    probabilities[moving] = found.probabilities
    return Membership(
        windows=_windows(found, members, values[moving], distance[moving]),
        probabilities=probabilities,
        threshold=threshold,
        expected_purity=float(found.probabilities[members].mean()),
    )


def _threshold(probabilities: FloatArray) -> float:
    """Return the least probability of a member: 1/2, or more where the likely ones are too often wrong."""
    ordered = np.sort(probabilities[probabilities >= _LEAST_PROBABILITY])[::-1]
    purity = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    pure = ordered[purity >= _EXPECTED_PURITY]
    return float(pure[-1]) if pure.size else 1.0


def _windows(found: Mixture, members: Mask, values: FloatArray, distance: FloatArray) -> Windows:
    """Return the limits with the best expected F1: the harmonic mean of purity and completeness.

    The expectation is by the probabilities; parallax and distance begin as wide as the members, then each in turn.
    """
    probabilities, centre = found.probabilities, found.cluster.mean[:2]
    offset = np.hypot(*(values[:, :2] - centre).T)
    outside = np.linspace(0.0, _MOST_OUTSIDE, _WINDOW_TRIALS)
    trials: dict[str, list[tuple[float | None, float | None]]] = {
        "radius": [
            (0.0, max(float(radius), _LEAST_RADIUS)) for radius in np.quantile(offset[members], 1.0 - 3.0 * outside)
        ],
        "parallax": _trial_windows(values[members, 2], outside, margin=_PARALLAX_MARGIN),
        "distance": _trial_windows(distance[members], outside, margin=_DISTANCE_MARGIN),
    }
    columns = {"radius": offset, "parallax": values[:, 2], "distance": distance}
    chosen = {name: windows[0] for name, windows in trials.items()}
    for _ in range(_WINDOW_ROUNDS):
        for name, windows in trials.items():
            others = np.logical_and.reduce(
                [_not_outside(columns[other], *limits) for other, limits in chosen.items() if other != name]
            )
            scores = [_expected_f1(probabilities, others & _not_outside(columns[name], *limits)) for limits in windows]
            chosen[name] = windows[int(np.argmax(scores))]
    nearest, farthest = chosen["distance"]
    return Windows(
        pmra=float(centre[0]),
        pmdec=float(centre[1]),
        pm_radius=float(chosen["radius"][1] or _LEAST_RADIUS),
        parallax_min=chosen["parallax"][0],
        parallax_max=chosen["parallax"][1],
        distance_min=None if nearest is None else max(nearest, 0.0),
        distance_max=farthest,
    )


def _trial_windows(
    values: FloatArray, outside: FloatArray, *, margin: float
) -> list[tuple[float | None, float | None]]:
    known = values[np.isfinite(values)]
    if known.size < _LEAST_MEMBERS:
        return [(None, None)]
    return [
        (float(np.quantile(known, share)) - margin, float(np.quantile(known, 1.0 - share)) + margin)
        for share in outside
    ]


def _expected_f1(probabilities: FloatArray, chosen: Mask) -> float:
    right = float(probabilities[chosen].sum())
    return 2.0 * right / (np.count_nonzero(chosen) + float(probabilities.sum()))


def _not_outside(values: FloatArray, lowest: float | None, highest: float | None) -> Mask:
    if lowest is None or highest is None:
        return np.ones(values.shape, dtype=bool)
    return ~((values < lowest) | (values > highest))
