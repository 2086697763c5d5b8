"""`python -m operation_runner.stars.build_index`: make a star index of tables of Gaia, for narrower fields."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.sky_index import SkyIndex
from operation_runner.stars.sky_indexes import SUFFIX
from operation_runner.stars.star_tables import StarTableError, bundled_catalogue, read_star_tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Build an index; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m operation_runner.stars.build_index", description=__doc__)
    parser.add_argument("tables", nargs="*", type=Path, help="CSV, VOTable or FITS with ra, dec, phot_g_mean_mag")
    parser.add_argument("--out", required=True, type=Path, help=f"the file to write, NAME{SUFFIX}")
    parser.add_argument("--least-field", type=float, default=0.3, metavar="DEG", help="width of the narrowest image")
    parser.add_argument("--reference", default="Gaia DR3", help="name of the catalogue, for the products")
    parser.add_argument("--no-bundled", action="store_true", help="without the stars to magnitude 10 brought along")
    given = parser.parse_args(arguments)
    if given.out.suffix != SUFFIX:
        parser.error(f"--out must end in {SUFFIX}: no other file of the folder is read")
    if not 0 < given.least_field <= 20:
        parser.error("--least-field must be more than 0 and at most 20 degrees")
    bundled = None if given.no_bundled else bundled_catalogue()
    paths = [*given.tables, *([] if bundled is None else [bundled])]
    if not paths:
        parser.error("no tables were given")
    try:
        build_index(
            given.out,
            read_star_tables(paths),
            least_field_deg=given.least_field,
            reference=given.reference,
            on_progress=lambda text: print(text, file=sys.stderr),
        )
    except (StarTableError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    index = SkyIndex.open(given.out)
    print(f"{given.out}: {index.n_stars} stars, {index.n_quads} quads, {given.out.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
