"""Distances on the sky, and which of these stars is which of those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from datalab.astro.types import FloatArray, IntArray

_ARCSEC_PER_RADIAN = np.degrees(1.0) * 3600.0


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of stars: row `first[k]` of one list is row `second[k]` of the other, that far away."""

    first: IntArray
    second: IntArray
    separation_arcsec: FloatArray


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> FloatArray:
    """Return positions as vectors of length 1, shape (..., 3); NaN for positions that are not finite."""
    ra, dec = np.radians(np.asarray(ra_deg, dtype=float)), np.radians(np.asarray(dec_deg, dtype=float))
    with np.errstate(invalid="ignore"):
        return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def degrees(directions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return right ascension in [0, 360] and declination of vectors of any length, shape (..., 3)."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def normalized(vectors: FloatArray) -> FloatArray:
    """Return vectors, shape (..., 3), with length 1."""
    lengths_one: FloatArray = np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
    return lengths_one


def arcsec_of_chord(chords: FloatArray) -> FloatArray:
    """Return how far apart on the sky vectors of length 1 are whose ends are that far apart."""
    angles: FloatArray = np.asarray(2.0 * np.arcsin(np.minimum(chords / 2.0, 1.0)) * _ARCSEC_PER_RADIAN)
    return angles


def chord_of_arcsec(arcsec: float) -> float:
    """Return how far apart the ends of vectors of length 1 are that are an angle, at most 180 degrees, apart."""
    return 2.0 * float(np.sin(min(arcsec / _ARCSEC_PER_RADIAN, np.pi) / 2.0))


def separations_arcsec(
    ra_deg: ArrayLike, dec_deg: ArrayLike, centre_ra_deg: float, centre_dec_deg: float
) -> FloatArray:
    """Return how far positions, shape (n,), are from one position."""
    chords = np.linalg.norm(unit_vectors(ra_deg, dec_deg) - unit_vectors(centre_ra_deg, centre_dec_deg), axis=-1)
    return arcsec_of_chord(chords)


def nearest(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    catalogue_ra_deg: ArrayLike,
    catalogue_dec_deg: ArrayLike,
    *,
    radius_arcsec: float,
) -> Matches:
    """Return for each star the nearest one of a catalogue, if one is within the radius; in the order of the stars.

    Several stars may get the same one. Stars without a finite position get none.
    """
    stars, catalogue = unit_vectors(ra_deg, dec_deg), unit_vectors(catalogue_ra_deg, catalogue_dec_deg)
    known, listed = _finite(stars), _finite(catalogue)
    reach = chord_of_arcsec(radius_arcsec)
    # KDTree looks strictly within its bound; ours includes the rim.
    chords, found = KDTree(catalogue[listed]).query(stars[known], distance_upper_bound=np.nextafter(reach, np.inf))
    matched = np.isfinite(chords)
    return Matches(known[matched], listed[found[matched]], arcsec_of_chord(chords[matched]))


def one_to_one(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    catalogue_ra_deg: ArrayLike,
    catalogue_dec_deg: ArrayLike,
    *,
    radius_arcsec: float,
) -> Matches:
    """Return the matches of `nearest` in which no star of the catalogue comes twice: the closest keeps it.

    A star that loses its nearest gets none: in a crowd its second nearest is most often another star.
    """
    matches = nearest(ra_deg, dec_deg, catalogue_ra_deg, catalogue_dec_deg, radius_arcsec=radius_arcsec)
    by_distance = np.argsort(matches.separation_arcsec, kind="stable")
    _, winners = np.unique(matches.second[by_distance], return_index=True)
    kept = np.sort(by_distance[winners])
    return Matches(matches.first[kept], matches.second[kept], matches.separation_arcsec[kept])


def _finite(vectors: FloatArray) -> IntArray:
    return np.flatnonzero(np.isfinite(vectors).all(axis=-1))
