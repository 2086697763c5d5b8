"""A star cluster in a field of the Galactic disk, as Gaia measures both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_KM_S_PER_MAS = 4.74047
#: Errors of Gaia DR3 (Lindegren et al. 2021, A&A 649, A2, table 5): 0.02 mas to G 14, 0.07 at 17, 0.5 at 20.
_BRIGHT_ERROR_MAS, _BRIGHT_G, _ERROR_SLOPE = 0.02, 14.0, 0.23
#: Velocity dispersions of young, old and thick disk (km/s), and how many of the stars each has.
_DISPERSIONS_KM_S, _SHARES = (20.0, 35.0, 60.0), (0.4, 0.5, 0.1)
_SOLAR_MOTION_KM_S = 20.0
_CLUSTER_DISPERSION_KM_S = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterField:
    """Stars, the first of which are the cluster's: all arrays (n,) but `offsets` (n, 2), in radii of the field.

    Proper motions in mas/yr, parallaxes in mas, distances in pc as the inverse parallax tells them. `cluster_motion`
    (2,) and `cluster_parallax` are the cluster's own.
    """

    member: NDArray[np.bool_]
    g_mag: FloatArray
    pmra: FloatArray
    pmra_error: FloatArray
    pmdec: FloatArray
    pmdec_error: FloatArray
    parallax: FloatArray
    parallax_error: FloatArray
    distance: FloatArray
    offsets: FloatArray
    cluster_parallax: float
    cluster_motion: FloatArray

    def kinematics(self) -> dict[str, FloatArray]:
        """Return the columns by name, as `datalab.astro.catalogues.cluster.cluster_membership` takes them."""
        names = ("pmra", "pmra_error", "pmdec", "pmdec_error", "parallax", "parallax_error", "distance", "offsets")
        return {name: getattr(self, name) for name in names}


def cluster_field(seed: int, *, members: int = 150, stars: int = 3000) -> ClusterField:
    """Return a field of so many stars, of which some are a cluster 300 to 2,500 pc away, seen to G 17 to 20.

    The cluster has a Plummer profile of 0.1 to 0.6 radii of the field, a velocity dispersion of 0.4 to 1.5 km/s and a
    motion of its own. Field stars move as those of the disk do, in front of it and behind it.
    """
    rng = np.random.default_rng(seed)
    distance_pc = 10.0 ** rng.uniform(np.log10(300.0), np.log10(2500.0))
    faintest, speed = rng.uniform(17.0, 20.0), rng.uniform(0.4, 1.5)
    core, towards = rng.uniform(0.1, 0.6), rng.uniform(0.0, 2.0 * np.pi)
    member = np.arange(stars) < members
    g_mag = np.where(
        member, 10.0 + (faintest - 10.0) * rng.power(2.0, stars), 8.0 + (faintest - 8.0) * rng.power(3.0, stars)
    )
    errors = np.maximum(_BRIGHT_ERROR_MAS, _BRIGHT_ERROR_MAS * 10.0 ** (_ERROR_SLOPE * (g_mag - _BRIGHT_G)))
    drift = _SOLAR_MOTION_KM_S * np.array([np.cos(towards), np.sin(towards)])
    parallax = 1000.0 / np.where(member, rng.normal(distance_pc, 5.0, stars), 100.0 + rng.gamma(3.0, 700.0, stars))
    of_field = rng.normal(size=(stars, 2)) * rng.choice(_DISPERSIONS_KM_S, stars, p=_SHARES)[:, None]
    cluster_speed = drift + rng.normal(0.0, _CLUSTER_DISPERSION_KM_S, 2)
    of_cluster = cluster_speed + rng.normal(0.0, speed, (stars, 2))
    speeds = np.where(member[:, None], of_cluster, of_field + drift)
    true_values = np.column_stack([speeds * parallax[:, None] / _KM_S_PER_MAS, parallax])
    shape = np.array([1.0, 0.9, 1.0])
    values = true_values + rng.normal(size=(stars, 3)) * errors[:, None] * shape
    bearing = rng.uniform(0.0, 2.0 * np.pi, stars)
    reach = np.where(member, _plummer(rng, core, stars), np.sqrt(rng.uniform(size=stars)))
    return ClusterField(
        member=member,
        g_mag=g_mag,
        pmra=values[:, 0],
        pmra_error=errors * shape[0],
        pmdec=values[:, 1],
        pmdec_error=errors * shape[1],
        parallax=values[:, 2],
        parallax_error=errors * shape[2],
        distance=1000.0 / np.maximum(values[:, 2], 0.1),
        offsets=reach[:, None] * np.column_stack([np.sin(bearing), np.cos(bearing)]),
        cluster_parallax=1000.0 / distance_pc,
        cluster_motion=cluster_speed * 1000.0 / distance_pc / _KM_S_PER_MAS,
    )


def _plummer(rng: np.random.Generator, core: float, count: int) -> FloatArray:
    """Return distances from the middle of a cluster whose surface density is (1 + r^2 / core^2)^-2, cut at 1."""
    most = 1.0 - 1.0 / (1.0 + 1.0 / core**2)
    distances: FloatArray = core * np.sqrt(1.0 / (1.0 - most * rng.uniform(size=count)) - 1.0)
    return distances
