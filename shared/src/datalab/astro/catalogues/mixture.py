"""A star cluster and its field as a mixture: how likely each star is one of the cluster.

The field is a sum of Gaussians in proper motion and parallax, evenly spread on the sky; the cluster is one narrow
Gaussian, the denser the nearer to its centre. The widths are those without errors of measurement: the errors of each
star are added to them (J. Bovy, D. W. Hogg and S. T. Roweis 2011, AnApS 5, 1657, "extreme deconvolution"), so that a
faint star is judged by what its poor motion can tell. Fitted by expectation maximisation; nothing is random.

Membership from such a mixture in motion and position: W. L. Sanders 1971, A&A 14, 226; L. Balaguer-Núñez et al. 1998,
A&AS 133, 387.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datalab.astro.types import FloatArray

#: Columns of `Kinematics.values`.
_MOTION, _PARALLAX = slice(0, 2), 2
#: What an unknown parallax has as its variance (mas^2): so much that every parallax is as likely.
_UNKNOWN_VARIANCE = 1e6

#: Gaussians of the field, and the stars each should have at the least.
_MOST_FIELD_PARTS, _STARS_PER_PART = 6, 20
#: A part of the field is wider than a cluster (mas/yr, km/s, mas): no population of the disk moves past each other by
#: less than 10 km/s. A sum of such parts can still be as peaked as the field is.
_LEAST_FIELD_MOTION, _LEAST_FIELD_SPEED_KM_S, _LEAST_FIELD_PARALLAX = 1.0, 10.0, 0.05
#: Stars of a cluster move past each other by 1 km/s, in the richest globular clusters by 20: at most so many mas/yr, or
#: the speed (km/s) for near ones, which are also seen in perspective. And they are this part of their distance deep.
_MOST_CLUSTER_MOTION, _MOST_CLUSTER_SPEED_KM_S, _LEAST_CLUSTER_MOTION = 0.8, 5.0, 0.02
_MOST_RELATIVE_DEPTH, _LEAST_DEPTH_MAS = 0.12, 0.02
#: 1 mas/yr at 1 kpc (1 mas) in km/s.
_KM_S_PER_MAS = 4.74047
#: Widths of the Gaussians that make up the cluster's profile on the sky, in radii of the field; and one without limit.
_PROFILE_WIDTHS = np.array([0.04, 0.08, 0.16, 0.32, 0.64])

#: Scales (mas/yr) at which the plane of motions is searched for a clump, and how wide its surroundings are against it.
_CLUMP_SCALES, _SURROUNDINGS = (0.2, 0.5, 1.2), 4.0
_MOST_MAP_CELLS = 700
#: The inner part of the field (of its radius), in which a cluster is looked for as well.
_INNER_PART = 0.4
_PARALLAX_SLICES = 4
#: Clumps that are fitted: those that look best at first.
_MOST_CLUMPS = 8

_FIELD_STEPS, _CLUMP_STEPS, _JOINT_STEPS = 40, 25, 60


@dataclass(frozen=True, slots=True)
class Kinematics:
    """Stars with their errors: (n, 3) proper motions (mas/yr) along the parallel and the meridian, and parallax (mas).

    `offsets` (n, 2) are their places, from the middle of the field in units of its radius; None if they are unknown.
    """

    values: FloatArray
    variances: FloatArray
    offsets: FloatArray | None

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, values: FloatArray, errors: FloatArray, offsets: FloatArray | None) -> Kinematics:
        """Put in what is not known: a parallax of any value, and for errors that of the other stars."""
        variances = errors**2
        for column in range(3):
            unknown = ~np.isfinite(variances[:, column])
            if unknown.any():
                known = variances[~unknown, column]
                variances[unknown, column] = np.median(known) if known.size else 0.0
        no_parallax = ~np.isfinite(values[:, _PARALLAX])
        values, variances = values.copy(), variances.copy()
        values[no_parallax, _PARALLAX], variances[no_parallax, _PARALLAX] = 0.0, _UNKNOWN_VARIANCE
        return cls(values=values, variances=variances, offsets=offsets)


@dataclass(frozen=True, slots=True)
class _Gaussians:
    """Parts of the field: shares (k,) that add to 1, means (k, 3) and variances (k, 3)."""

    shares: FloatArray
    means: FloatArray
    variances: FloatArray


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster: its share of the stars, mean motion and parallax (3,), own variances (3,), and profile on the sky.

    `centre` (2,) and `profile` (shares of `_PROFILE_WIDTHS` and of an even spread) in the units of the offsets.
    """

    share: float
    mean: FloatArray
    variance: FloatArray
    centre: FloatArray
    profile: FloatArray


@dataclass(frozen=True, slots=True)
class Mixture:
    """A fitted mixture: the cluster, how likely each star is one of it, (n,), and how much better than without (ln)."""

    cluster: Cluster
    probabilities: FloatArray
    gain: float


def fit_mixture(stars: Kinematics) -> Mixture | None:
    """Fit a field with one cluster to stars; None if nothing looks like a clump of motions."""
    field = _fitted_field(stars)
    without = _log_sum(_field_terms(stars, field))
    starts = [_mixture(stars, _first_cluster(stars, field, *clump), without, without) for clump in _clumps(stars)]
    starts.sort(key=lambda start: -start.gain)
    fitted = [_fitted_cluster(stars, without, start.cluster) for start in starts[:_MOST_CLUMPS]]
    if not fitted:
        return None
    return _fitted_together(stars, field, max(fitted, key=lambda mixture: mixture.gain))


def _fitted_field(stars: Kinematics) -> _Gaussians:
    """Fit the field alone, beginning with slices of equal numbers by parallax, of which one half is twice as wide."""
    parts = int(np.clip(len(stars) // _STARS_PER_PART, 1, _MOST_FIELD_PARTS))
    ordered = np.argsort(np.where(stars.variances[:, _PARALLAX] < _UNKNOWN_VARIANCE, stars.values[:, _PARALLAX], 0.0))
    slices = np.array_split(ordered, max(1, parts // 2))
    means, variances = [], []
    for part in slices:
        middle = np.median(stars.values[part], axis=0)
        spread = np.maximum(1.4826 * np.median(np.abs(stars.values[part] - middle), axis=0), _field_floor(middle))
        for factor in (1.0, 3.0)[: 1 if parts == 1 else 2]:
            means.append(middle)
            variances.append((factor * spread) ** 2)
    field = _Gaussians(np.full(len(means), 1.0 / len(means)), np.array(means), np.array(variances))
    weights = np.ones(len(stars))
    for _ in range(_FIELD_STEPS):
        field = _next_field(stars, field, _field_terms(stars, field), weights)
    return field


def _field_floor(means: FloatArray) -> FloatArray:
    """Return the least widths (..., 3) of parts of the field with such means."""
    motion = np.maximum(_LEAST_FIELD_MOTION, _LEAST_FIELD_SPEED_KM_S / _KM_S_PER_MAS * means[..., _PARALLAX])
    return np.stack([motion, motion, np.full(motion.shape, _LEAST_FIELD_PARALLAX)], axis=-1)


def _field_terms(stars: Kinematics, field: _Gaussians) -> FloatArray:
    """Return ln(share x density) of each star in each part, (n, k)."""
    widths = field.variances[None] + stars.variances[:, None]
    chi2 = (stars.values[:, None] - field.means[None]) ** 2 / widths
    terms: FloatArray = np.log(field.shares)[None] - 0.5 * (chi2 + np.log(2.0 * np.pi * widths)).sum(axis=2)
    return terms


def _next_field(stars: Kinematics, field: _Gaussians, terms: FloatArray, weights: FloatArray) -> _Gaussians:
    """Return the field after one step; `weights` (n,) are how much each star is of the field."""
    duties = np.exp(terms - _log_sum(terms)[:, None]) * weights[:, None]
    totals = np.maximum(duties.sum(axis=0), 1e-9)
    gain = field.variances[None] / (field.variances[None] + stars.variances[:, None])
    true_values = field.means[None] + gain * (stars.values[:, None] - field.means[None])
    left = field.variances[None] * (1.0 - gain)
    means = np.einsum("nk,nkd->kd", duties, true_values) / totals[:, None]
    variances = np.einsum("nk,nkd->kd", duties, (true_values - means[None]) ** 2 + left) / totals[:, None]
    return _Gaussians(totals / totals.sum(), means, np.maximum(variances, _field_floor(means) ** 2))


def _clumps(stars: Kinematics) -> list[tuple[FloatArray, float]]:
    """Return places in the plane of motions that are fuller than their surroundings, and at which scale.

    They are looked for among all stars, those in the middle of the field, those with small errors, and slices by
    parallax: what a cluster stands out of is its neighbours in each.
    """
    groups = [np.ones(len(stars), dtype=bool), stars.variances[:, 0] <= np.median(stars.variances[:, 0])]
    if stars.offsets is not None:
        groups.append(np.hypot(*stars.offsets.T) < _INNER_PART)
    parallax = stars.values[:, _PARALLAX]
    edges = np.quantile(parallax, np.linspace(0.0, 1.0, _PARALLAX_SLICES + 2))
    groups += [(parallax >= low) & (parallax <= high) for low, high in zip(edges[:-2], edges[2:], strict=True)]
    chosen: list[tuple[FloatArray, float]] = []
    for scale in _CLUMP_SCALES:
        for group in groups:
            place = _fullest_place(stars.values[group][:, _MOTION], scale) if np.count_nonzero(group) > 1 else None
            if place is not None and all(
                np.hypot(*(place - other)) > scale for other, of_scale in chosen if of_scale == scale
            ):
                chosen.append((place, scale))
    return chosen


def _fullest_place(motions: FloatArray, scale: float) -> FloatArray | None:
    """Return the place that stands out of its surroundings by the most sigmas."""
    cell = scale
    middle = np.median(motions, axis=0)
    low, high = np.percentile(motions - middle, (1.0, 99.0), axis=0)
    reach = min(float(np.max(np.abs([low, high]))) + 5.0 * scale, 0.5 * cell * _MOST_MAP_CELLS)
    cells = max(3, int(np.ceil(2.0 * reach / cell)))
    steps = (np.arange(cells + 1) - cells / 2.0) * cell
    edges = [middle[0] + steps, middle[1] + steps]
    counts, _, _ = np.histogram2d(motions[:, 0], motions[:, 1], bins=edges)
    inner, outer = _box_mean(counts, 1), _box_mean(counts, int(_SURROUNDINGS))
    around = (outer * (2 * _SURROUNDINGS + 1) ** 2 - 9.0 * inner) / ((2 * _SURROUNDINGS + 1) ** 2 - 9.0)
    excess = 9.0 * (inner - around) / np.sqrt(9.0 * around + 1.0)
    row, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
    if counts[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].sum() < 1.0:
        return None
    place = middle + steps[[row, column]] + 0.5 * cell
    near = np.hypot(*(motions - place).T) < 2.0 * scale
    return np.median(motions[near], axis=0) if near.any() else place


def _box_mean(counts: FloatArray, half: int) -> FloatArray:
    """Return means of squares of 2 half + 1 cells; beyond the map there are no stars."""
    side = 2 * half + 1
    padded = np.pad(counts, half + 1)
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    total: FloatArray = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return total[: counts.shape[0], : counts.shape[1]] / side**2


def _first_cluster(stars: Kinematics, field: _Gaussians, motion: FloatArray, scale: float) -> Cluster:
    """Begin with a clump of motions and the parallax that most of its stars agree on, beyond what the field has."""
    reach = 2.0 * np.sqrt(scale**2 + stars.variances[:, 0])
    near = np.hypot(*(stars.values[:, _MOTION] - motion).T) < reach
    parallax = stars.values[near, _PARALLAX]
    variance = stars.variances[near, _PARALLAX] + _LEAST_FIELD_PARALLAX**2
    known = variance < _UNKNOWN_VARIANCE
    best = 0.0
    if known.any():
        parallax, variance = parallax[known], variance[known]
        trials = np.unique(np.percentile(parallax, np.linspace(2.0, 98.0, 49)))
        share = 0.5
        own = _normal(parallax[None] - trials[:, None], variance[None])
        usual = _parallaxes_of_field(parallax, variance, field)
        best = float(trials[np.argmax(np.log1p(share * (own / usual[None] - 1.0)).sum(axis=1))])
    flat = np.zeros(len(_PROFILE_WIDTHS) + 1)
    flat[-1] = 1.0
    return Cluster(
        share=float(np.clip(0.5 * np.count_nonzero(near) / len(stars), 1.0 / len(stars), 0.9)),
        mean=np.array([*motion, best]),
        variance=np.array([scale**2, scale**2, _LEAST_FIELD_PARALLAX**2]),
        centre=np.zeros(2),
        profile=flat,
    )


def _parallaxes_of_field(parallax: FloatArray, variance: FloatArray, field: _Gaussians) -> FloatArray:
    widths = field.variances[None, :, _PARALLAX] + variance[:, None]
    density: FloatArray = (field.shares * _normal(parallax[:, None] - field.means[None, :, _PARALLAX], widths)).sum(1)
    return np.maximum(density, 1e-12)


def _normal(differences: FloatArray, variances: FloatArray) -> FloatArray:
    density: FloatArray = np.exp(-0.5 * differences**2 / variances) / np.sqrt(2.0 * np.pi * variances)
    return density


def _cluster_terms(stars: Kinematics, cluster: Cluster) -> FloatArray:
    """Return ln(share x density) of each star in the cluster, by the parts of its profile, (n, widths + 1)."""
    widths = cluster.variance[None] + stars.variances
    kinematic = -0.5 * ((stars.values - cluster.mean) ** 2 / widths + np.log(2.0 * np.pi * widths)).sum(axis=1)
    with np.errstate(divide="ignore"):
        parts = np.log(cluster.share * cluster.profile)[None] + _log_profile(stars.offsets, cluster.centre, len(stars))
    terms: FloatArray = kinematic[:, None] + parts
    return terms


def _log_profile(offsets: FloatArray | None, centre: FloatArray, count: int) -> FloatArray:
    """Return ln of how much denser each part of the profile is than an even spread over the field, (n, widths + 1)."""
    densities = np.zeros((count, len(_PROFILE_WIDTHS) + 1))
    if offsets is not None:
        squared = ((offsets - centre) ** 2).sum(axis=1)
        on_field = ((_DISK - centre) ** 2).sum(axis=1)
        for part, width in enumerate(_PROFILE_WIDTHS):
            inside = float(np.mean(np.exp(-0.5 * on_field / width**2)))
            densities[:, part] = -0.5 * squared / width**2 - np.log(max(inside, 1e-6))
    return densities


def _disk() -> FloatArray:
    steps = (np.arange(60) + 0.5) / 30.0 - 1.0
    places: FloatArray = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    on_field: FloatArray = places[np.hypot(places[:, 0], places[:, 1]) <= 1.0]
    return on_field


#: Places evenly spread over a field.
_DISK = _disk()


def _next_cluster(stars: Kinematics, cluster: Cluster, duties: FloatArray, *, on_sky: bool) -> Cluster:
    """Return the cluster after one step; `duties` (n, widths + 1) are how much of each star each part of it is."""
    weights = duties.sum(axis=1)
    total = max(float(weights.sum()), 1e-9)
    gain = cluster.variance[None] / (cluster.variance[None] + stars.variances)
    true_values = cluster.mean[None] + gain * (stars.values - cluster.mean[None])
    mean = weights @ true_values / total
    variance = weights @ ((true_values - mean) ** 2 + cluster.variance[None] * (1.0 - gain)) / total
    changed = replace(cluster, share=min(total / len(stars), 0.999), mean=mean, variance=_believable(mean, variance))
    if not on_sky or stars.offsets is None:
        return changed
    pulls = (duties[:, :-1] / _PROFILE_WIDTHS**2).sum(axis=1)
    centre = pulls @ stars.offsets / pulls.sum() if pulls.sum() > 0.0 else cluster.centre
    return replace(changed, profile=duties.sum(axis=0) / total, centre=centre)


def _believable(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Return the variances within what a cluster at that distance can have."""
    parallax = max(float(mean[_PARALLAX]), 0.0)
    fastest = max(_MOST_CLUSTER_MOTION, _MOST_CLUSTER_SPEED_KM_S * parallax / _KM_S_PER_MAS)
    motion = float(np.clip(variance[_MOTION].mean(), _LEAST_CLUSTER_MOTION**2, fastest**2))
    deepest = max(_LEAST_DEPTH_MAS, _MOST_RELATIVE_DEPTH * parallax)
    return np.array([motion, motion, float(np.clip(variance[_PARALLAX], (0.1 * _LEAST_DEPTH_MAS) ** 2, deepest**2))])


def _fitted_cluster(stars: Kinematics, without: FloatArray, start: Cluster) -> Mixture:
    """Fit a cluster in front of a field that stays as it is: `without` is ln of its density at each star, (n,)."""
    cluster = start
    for step in range(_CLUMP_STEPS):
        duties = _duties(stars, cluster, without)
        if step == _CLUMP_STEPS // 3:
            cluster = _on_sky(stars, cluster, duties.sum(axis=1))
            continue
        cluster = _next_cluster(stars, cluster, duties, on_sky=step > _CLUMP_STEPS // 3)
    return _mixture(stars, cluster, without, without)


def _on_sky(stars: Kinematics, cluster: Cluster, weights: FloatArray) -> Cluster:
    """Begin with a profile on the sky, around the middle of the likely stars."""
    if stars.offsets is None:
        return cluster
    parts = len(_PROFILE_WIDTHS) + 1
    likely = weights > 0.5
    centre = np.median(stars.offsets[likely], axis=0) if np.count_nonzero(likely) > 4 else cluster.centre
    return replace(cluster, profile=np.full(parts, 1.0 / parts), centre=centre)


def _duties(stars: Kinematics, cluster: Cluster, field: FloatArray) -> FloatArray:
    own = _cluster_terms(stars, cluster)
    everything = np.concatenate([own, (field + np.log1p(-cluster.share))[:, None]], axis=1)
    duties: FloatArray = np.exp(own - _log_sum(everything)[:, None])
    return duties


def _fitted_together(stars: Kinematics, field: _Gaussians, start: Mixture) -> Mixture:
    """Fit the field and the cluster at once: without the stars of the cluster the field has another shape."""
    cluster, alone = start.cluster, field
    for _ in range(_JOINT_STEPS):
        terms = _field_terms(stars, field)
        duties = _duties(stars, cluster, _log_sum(terms))
        field = _next_field(stars, field, terms, 1.0 - duties.sum(axis=1))
        cluster = _next_cluster(stars, cluster, duties, on_sky=True)
        alone = _next_field(stars, alone, _field_terms(stars, alone), np.ones(len(stars)))
    return _mixture(stars, cluster, _log_sum(_field_terms(stars, field)), _log_sum(_field_terms(stars, alone)))


def _mixture(stars: Kinematics, cluster: Cluster, field: FloatArray, without: FloatArray) -> Mixture:
    own = _log_sum(_cluster_terms(stars, cluster))
    both = np.logaddexp(own, field + np.log1p(-cluster.share))
    return Mixture(cluster=cluster, probabilities=np.exp(own - both), gain=float((both - without).sum()))


def _log_sum(terms: FloatArray) -> FloatArray:
    most = terms.max(axis=1)
    total: FloatArray = most + np.log(np.exp(terms - most[:, None]).sum(axis=1))
    return total
