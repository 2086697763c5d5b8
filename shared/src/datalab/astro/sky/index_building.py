"""Making a star index of the sky from a star catalogue.

Stars are taken in tiers: of each patch of sky the few brightest, with patches twice as wide from tier to tier. So an
image of any field, from the narrowest on, shows about as many stars of some tier, in crowded regions and in empty ones.
Stars make quads with their neighbours of the same tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datalab.astro.sky.cross_match import unit_vectors
from datalab.astro.sky.quads import bins_of, codes_of, neighbour_quads, on_plane
from datalab.astro.sky.sky_cells import SkyCells
from datalab.astro.sky.sky_index import IndexStars, write_index
from datalab.astro.types import FloatArray, IntArray

#: Stars of the finest tier in a square field of the least width; benchmarks/blind_solving.py has what it comes to.
STARS_PER_FIELD = 16
#: Brightest stars taken of each patch: more would follow the crowds, fewer the borders of patches.
_STARS_PER_PATCH = 4
#: The width of a patch in units of that of the field.
_PATCHES_PER_FIELD = (_STARS_PER_PATCH / STARS_PER_FIELD) ** 0.5
#: The neighbours that a star makes quads with, three at a time: four quads, of which neighbours make some too.
_NEIGHBOURS = 4
_TIER_STEP = 2.0
#: Wider fields than this have few stars that are not saturated, and optics that bend lines.
_WIDEST_FIELD_DEG = 20.0
_CELL_DEG = 1.0
#: Declinations that are worked on at once, and how far the neighbours of a star may be, in patches.
_BAND_DEG, _MARGIN_PATCHES = 10.0, 4.0
#: Places that are told apart, degrees.
_SAME_STAR_DEG = 1e-6
#: Stars kept while a catalogue is read before the faintest of each patch are thrown away.
_MOST_WAITING = 4_000_000


def build_index(
    path: Path,
    catalogue: Iterable[IndexStars],
    *,
    least_field_deg: float,
    reference: str,
    on_progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write an index for images of at least `least_field_deg` to a file.

    Memory holds the stars of the index, not those of the catalogue.

    Args:
        path: of the file.
        catalogue: all stars, in parts of any size and order, of one epoch.
        least_field_deg: the width of the narrowest field, degrees; half as much makes the file four times as large.
        reference: the name of the catalogue.
        on_progress: is told what is done.
    """
    patch_deg = least_field_deg * _PATCHES_PER_FIELD
    stars = _brightest(catalogue, SkyCells(patch_deg), on_progress)
    cells = SkyCells(_CELL_DEG)
    stars = stars.rows(np.lexsort((stars.magnitude, cells.of(stars.ra_deg, stars.dec_deg))))
    on_progress(f"{stars.ra_deg.size} stars")
    vectors = unit_vectors(stars.ra_deg, stars.dec_deg)
    parts_quads: list[NDArray[np.uint32]] = [np.empty((0, 4), np.uint32)]
    parts_bins: list[NDArray[np.uint32]] = [np.empty(0, np.uint32)]
    tier = np.arange(stars.ra_deg.size)
    while tier.size >= _NEIGHBOURS and patch_deg <= _WIDEST_FIELD_DEG * _PATCHES_PER_FIELD:
        for quads in _quads_of_tier(tier, vectors, stars.dec_deg, patch_deg):
            codes, order = codes_of(on_plane(vectors[quads]))
            parts_quads.append(np.take_along_axis(quads, order, axis=1).astype(np.uint32))
            parts_bins.append(bins_of(codes))
        on_progress(f"{tier.size} stars of fields of {patch_deg / _PATCHES_PER_FIELD:.2g} degrees")
        patch_deg *= _TIER_STEP
        tier = tier[_brightest_rows(stars.rows(tier), SkyCells(patch_deg))]
    quad_bins = np.concatenate(parts_bins)
    order = np.argsort(quad_bins, kind="stable")
    write_index(
        path,
        stars,
        np.concatenate(parts_quads)[order],
        quad_bins[order],
        cells=cells,
        reference=reference,
        least_field_deg=least_field_deg,
    )


def _brightest(catalogue: Iterable[IndexStars], patches: SkyCells, on_progress: Callable[[str], None]) -> IndexStars:
    """Return the brightest stars of each patch; the catalogue itself may not fit into memory."""
    kept: list[IndexStars] = []
    waiting = read = 0
    for part in catalogue:
        kept.append(part)
        waiting += part.ra_deg.size
        read += part.ra_deg.size
        if waiting > _MOST_WAITING:
            kept = [_thinned(kept, patches)]
            waiting = 0
            on_progress(f"{read} stars read, {kept[0].ra_deg.size} kept")
    if not kept:
        raise ValueError("a star catalogue without stars")
    return _thinned(kept, patches)


def _thinned(parts: list[IndexStars], patches: SkyCells) -> IndexStars:
    epochs = {part.epoch_yr for part in parts}
    if len(epochs) > 1:
        raise ValueError(f"star catalogues of several epochs: {sorted(epochs)}")
    together = IndexStars(
        ra_deg=np.concatenate([part.ra_deg for part in parts]),
        dec_deg=np.concatenate([part.dec_deg for part in parts]),
        magnitude=np.concatenate([part.magnitude for part in parts]),
        pm_ra_mas_yr=np.concatenate([part.pm_ra_mas_yr for part in parts]),
        pm_dec_mas_yr=np.concatenate([part.pm_dec_mas_yr for part in parts]),
        epoch_yr=epochs.pop(),
    )
    together = together.rows(_once(together))
    return together.rows(_brightest_rows(together, patches))


def _once(stars: IndexStars) -> IntArray:
    """Return the rows of stars without those that come again: tables of neighbouring regions overlap."""
    places = np.round(stars.ra_deg / _SAME_STAR_DEG).astype(np.int64) << 32
    places += np.round(stars.dec_deg / _SAME_STAR_DEG).astype(np.int64)
    _, rows = np.unique(places, return_index=True)
    return np.sort(rows)


def _brightest_rows(stars: IndexStars, patches: SkyCells) -> IntArray:
    """Return the rows of the brightest stars of each patch, in ascending order."""
    patch = patches.of(stars.ra_deg, stars.dec_deg)
    order = np.lexsort((stars.magnitude, patch))
    ordered = patch[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    rank = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    return np.sort(order[rank < _STARS_PER_PATCH])


def _quads_of_tier(tier: IntArray, vectors: FloatArray, dec_deg: FloatArray, patch_deg: float) -> Iterable[IntArray]:
    """Yield the quads of a tier as numbers of stars, declination by declination."""
    declinations, margin_deg = dec_deg[tier], _MARGIN_PATCHES * patch_deg
    for low in np.arange(-90.0, 90.0, _BAND_DEG):
        high = low + _BAND_DEG + (1.0 if low + _BAND_DEG >= 90.0 else 0.0)  # with the pole itself
        around = tier[(declinations >= low - margin_deg) & (declinations < high + margin_deg)]
        own = np.flatnonzero((dec_deg[around] >= low) & (dec_deg[around] < high))
        if own.size:
            yield around[neighbour_quads(vectors[around], _NEIGHBOURS, of=own)]
