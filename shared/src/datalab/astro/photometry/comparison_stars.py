"""Which stars the target can be compared with: the same stars found again in the catalogues of several frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from datalab.astro.catalogues.columns import floats, magnitudes, require_columns, sky_positions
from datalab.astro.catalogues.star_selection import flagged_sharp
from datalab.astro.sky.cross_match import arcsec_of_chord, chord_of_arcsec, degrees, normalized, unit_vectors
from datalab.astro.types import FloatArray, IntArray, Mask

#: Columns that name a source, the first that there is.
_NAMES = ("id", "name", "source_id", "object_id", "label")
CATALOGUE_COLUMNS = ("ra", "dec", "flux", "mag")
#: Rows of several frames this close together are one star: about the error of a poor plate solution.
_SAME_STAR_ARCSEC = 2.5
#: Measurements (frames times stars) an ensemble is chosen from, at most; and the stars there are at least.
_MOST_MEASUREMENTS, _LEAST_POOL = 200_000, 50
#: Positions closer than 1e-8 degrees (36 microarcsec) are equal: ids must not depend on the last bit of a mean.
_POSITION_DECIMALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueSources:
    """Sources of one frame's catalogue, arrays of shape (n,): ICRS degrees, counts, magnitudes, row counted from 1.

    `label` is what the catalogue calls a source, None if it has no names.
    """

    ra_deg: FloatArray
    dec_deg: FloatArray
    flux: FloatArray
    mag: FloatArray
    row: IntArray
    label: NDArray[np.str_] | None = None

    @classmethod
    def of(cls, table: Table | None) -> CatalogueSources:
        """Take the sources with a position, a flux and a magnitude out of a catalogue, without cosmic rays.

        Args:
            table: with columns named in lower case.

        Raises:
            ValueError: there is no catalogue, or it has no rows, or not these columns.
        """
        if table is None or len(table) == 0:
            raise ValueError("there is no source catalogue (CAT extension)")
        require_columns(table, CATALOGUE_COLUMNS)
        ra, dec = sky_positions(table)
        flux, mag = floats(table, "flux"), magnitudes(table, "mag")
        whole = np.isfinite(ra) & np.isfinite(dec) & np.isfinite(flux) & np.isfinite(mag)
        whole &= ~flagged_sharp(table)
        row = np.arange(1, len(table) + 1)
        label = _labels(table)
        return cls(
            ra_deg=ra[whole],
            dec_deg=dec[whole],
            flux=flux[whole],
            mag=mag[whole],
            row=row[whole],
            label=None if label is None else label[whole],
        )

    def where(self, wanted: Mask) -> CatalogueSources:
        """Return some of the sources."""
        return CatalogueSources(
            ra_deg=self.ra_deg[wanted],
            dec_deg=self.dec_deg[wanted],
            flux=self.flux[wanted],
            mag=self.mag[wanted],
            row=self.row[wanted],
            label=None if self.label is None else self.label[wanted],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Stars a target may be compared with, in the order of their numbers.

    Arrays of shape (stars,) but `row`, `flux` and `mag`, which are (frames, stars): what the catalogue of a frame says
    of a star; row 0 and NaN where it has none. `labels`, likewise but by star, are the catalogues' names, or the place
    as "ra,dec". `reference_mag` is the median over frames. `note` tells of stars left out.
    """

    number: IntArray
    ra_deg: FloatArray
    dec_deg: FloatArray
    reference_mag: FloatArray
    isolation_arcsec: FloatArray
    row: IntArray
    flux: FloatArray
    mag: FloatArray
    labels: Sequence[Mapping[int, str]] = ()
    note: str | None = None

    @property
    def identifiers(self) -> list[str]:
        """The names clients see."""
        return [f"cand-{number:03d}" for number in self.number]

    def on_frames(self, frames: Sequence[int]) -> Candidates:
        """Return the same stars without what the catalogues of other frames say of them."""
        return replace(
            self,
            row=self.row[frames],
            flux=self.flux[frames],
            mag=self.mag[frames],
            labels=[self.labels[frame] for frame in frames] if self.labels else (),
        )


def pool_cap(frames: int) -> int:
    """Return how many stars are measured at most on each of so many frames."""
    return max(_LEAST_POOL, _MOST_MEASUREMENTS // frames)


@dataclass(frozen=True, slots=True)
class _Members:
    """What is kept of a frame's sources: little, as there may be a thousand frames of thousands of sources."""

    cluster: NDArray[np.int32]
    row: NDArray[np.int32]
    flux: FloatArray
    mag: FloatArray
    label: NDArray[np.str_]


class StarClusters:
    """Collects the sources of frame after frame; sources at one place are one star."""

    def __init__(self) -> None:
        self._sums = np.empty((0, 3))  # of the directions of each cluster's sources
        self._members: list[_Members] = []

    def add(self, sources: CatalogueSources) -> None:
        """Add the usable sources of the next frame.

        Each joins the nearest cluster within 2.5 arcsec, one per cluster, the closest pairs first; others begin one.
        """
        directions = unit_vectors(sources.ra_deg, sources.dec_deg)
        cluster = np.full(len(directions), -1)
        found, joined = _closest_pairs(directions, normalized(self._sums), within_arcsec=_SAME_STAR_ARCSEC)
        cluster[found] = joined
        new = np.flatnonzero(cluster < 0)
        cluster[new] = len(self._sums) + np.arange(new.size)
        self._sums = np.concatenate([self._sums, np.zeros((new.size, 3))])
        self._sums[cluster] += directions
        self._members.append(
            _Members(cluster.astype(np.int32), sources.row.astype(np.int32), sources.flux, sources.mag, _named(sources))
        )

    def candidates(self, *, merged_within_arcsec: float, least_frames: int) -> Candidates:
        """Return the stars seen on at least so many frames, not more than `pool_cap` allows.

        Clusters that one aperture would hold together are one star, as bright as the brighter of them. Stars seen on
        most frames come first when there are too many, then the more isolated ones. Numbers count all stars by right
        ascension and declination, also those not returned.

        Args:
            merged_within_arcsec: the radius of the aperture.
            least_frames: at least 1.
        """
        star_of = _connected(normalized(self._sums), merged_within_arcsec)
        count = int(star_of.max(initial=-1)) + 1
        sums = np.zeros((count, 3))
        np.add.at(sums, star_of, self._sums)
        directions = normalized(sums)
        ra, dec = degrees(directions)
        number = np.empty(count, np.int64)
        number[np.lexsort((dec.round(_POSITION_DECIMALS), ra.round(_POSITION_DECIMALS)))] = np.arange(1, count + 1)

        seen = np.zeros(count, np.int64)
        for frame in self._members:
            seen[np.unique(star_of[frame.cluster])] += 1
        isolation = _isolation_arcsec(directions)
        fit = np.flatnonzero(seen >= least_frames)
        cap = pool_cap(max(1, len(self._members)))
        order = np.lexsort((number[fit], -isolation[fit], -seen[fit]))
        chosen = fit[order[:cap]]
        chosen = chosen[np.argsort(number[chosen])]
        row, flux, mag, labels = self._by_frame(star_of, chosen)
        return Candidates(
            number=number[chosen],
            ra_deg=ra[chosen],
            dec_deg=dec[chosen],
            reference_mag=np.nanmedian(mag, axis=0),
            isolation_arcsec=isolation[chosen],
            row=row,
            flux=flux,
            mag=mag,
            labels=labels,
            note=_cap_note(fit.size, cap),
        )

    def _by_frame(
        self, star_of: IntArray, chosen: IntArray
    ) -> tuple[IntArray, FloatArray, FloatArray, list[dict[int, str]]]:
        """Return row, flux and magnitude of the chosen stars, each (frames, stars), and their labels on each frame."""
        place = np.full(int(star_of.max(initial=-1)) + 1, -1)
        place[chosen] = np.arange(chosen.size)
        shape = len(self._members), chosen.size
        row, flux, mag = np.zeros(shape, np.int64), np.full(shape, np.nan), np.full(shape, np.nan)
        labels: list[dict[int, str]] = []
        for frame, sources in enumerate(self._members):
            star = place[star_of[sources.cluster]]
            faintest_first = np.argsort(sources.flux, kind="stable")
            faintest_first = faintest_first[star[faintest_first] >= 0]
            target = star[faintest_first]  # of several sources of one star the last one written stays
            row[frame, target] = sources.row[faintest_first]
            flux[frame, target] = sources.flux[faintest_first]
            mag[frame, target] = sources.mag[faintest_first]
            labels.append(dict(zip(target.tolist(), sources.label[faintest_first].tolist(), strict=True)))
        return row, flux, mag, labels


def _labels(table: Table) -> NDArray[np.str_] | None:
    """Return the names a catalogue has for its sources, shape (rows,); None if it has none."""
    for name in _NAMES:
        if name in table.colnames and table[name].ndim == 1 and table[name].dtype.kind in "iuSU":
            labels: NDArray[np.str_] = np.char.strip(np.ma.filled(np.ma.asarray(table[name]).astype(np.str_), ""))
            return labels
    return None


def _named(sources: CatalogueSources) -> NDArray[np.str_]:
    """Return what sources are called, or else their places."""
    places = np.array(
        [f"{ra:.6f},{dec:.6f}" for ra, dec in zip(sources.ra_deg.tolist(), sources.dec_deg.tolist(), strict=True)],
        dtype=np.str_,
    )
    if sources.label is None:
        return places
    named: NDArray[np.str_] = np.where(sources.label != "", sources.label, places)
    return named


def _cap_note(found: int, cap: int) -> str | None:
    if found <= cap:
        return None
    return f"Measured {cap} of {found} candidate comparison stars: those seen on most frames, the most isolated first."


def _closest_pairs(first: FloatArray, second: FloatArray, *, within_arcsec: float) -> tuple[IntArray, IntArray]:
    """Pair directions one to one, the closest first; return the indices of the pairs."""
    nothing = np.empty(0, np.int64)
    if not (len(first) and len(second)):
        return nothing, nothing
    near = KDTree(first).sparse_distance_matrix(KDTree(second), chord_of_arcsec(within_arcsec), output_type="ndarray")
    near = near[np.lexsort((near["j"], near["i"], near["v"]))]
    pairs = [(nothing, nothing)]
    while near.size:
        first_of_i, first_of_j = (np.unique(near[key], return_index=True)[1] for key in ("i", "j"))
        best = np.intersect1d(first_of_i, first_of_j)
        pairs.append((near["i"][best], near["j"][best]))
        near = near[~np.isin(near["i"], near["i"][best]) & ~np.isin(near["j"], near["j"][best])]
    return np.concatenate([i for i, _ in pairs]), np.concatenate([j for _, j in pairs])


def _connected(directions: FloatArray, within_arcsec: float) -> IntArray:
    """Number the groups of directions that are linked by steps of at most the given length."""
    if len(directions) == 0:
        return np.empty(0, np.int64)
    pairs = KDTree(directions).query_pairs(chord_of_arcsec(within_arcsec), output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(directions), len(directions)))
    groups: IntArray = connected_components(links, directed=False)[1].astype(np.int64)
    return groups


def _isolation_arcsec(directions: FloatArray) -> FloatArray:
    """Return the distance to the nearest other one, infinite if there is none."""
    if len(directions) < 2:
        return np.full(len(directions), np.inf)
    chord, _ = KDTree(directions).query(directions, k=2)
    return arcsec_of_chord(chord[:, 1])
