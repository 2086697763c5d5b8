"""`python -m operation_runner.stars.build_index`: make a star index of tables of Gaia, for narrower fields."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.sky_index import SkyIndex
from operation_runner.stars.sky_indexes import SUFFIX
from operation_runner.stars.star_tables import StarTableError, read_star_tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Build an index; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m operation_runner.stars.build_index", description=__doc__)
    parser.add_argument("tables", nargs="+", type=Path, help="CSV, VOTable or FITS with ra, dec, phot_g_mean_mag")
    parser.add_argument("--out", required=True, type=Path, help=f"the file to write, NAME{SUFFIX}")
    parser.add_argument("--least-field", type=float, default=0.3, metavar="DEG", help="width of the narrowest image")
    parser.add_argument("--reference", default="Gaia DR3", help="name of the catalogue, for the products")
    given = parser.parse_args(arguments)
    if given.out.suffix != SUFFIX:
        parser.error(f"--out must end in {SUFFIX}: no other file of the folder is read")
    if not 0 < given.least_field <= 20:
        parser.error("--least-field must be more than 0 and at most 20 degrees")
    try:
        build_index(
            given.out,
            read_star_tables(given.tables),
            least_field_deg=given.least_field,
            reference=given.reference,
            on_progress=lambda text: _say(text, sys.stderr),
        )
    except (StarTableError, ValueError, OSError) as error:
        _say(str(error), sys.stderr)
        return 1
    index = SkyIndex.open(given.out)
    size_mb = given.out.stat().st_size / 1e6
    _say(f"{given.out}: {index.n_stars} stars, {index.n_quads} quads, {size_mb:.0f} MB", sys.stdout)
    return 0


def _say(text: str, stream: TextIO) -> None:
    stream.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
