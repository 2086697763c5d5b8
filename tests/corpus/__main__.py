"""Prints a table: the files of the corpus by kind, and what our readers make of them. `python -m corpus` in `tests/`.

The last line is one JSON object. With names of kinds as arguments only these are read; `-v` lists what is amiss.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

from corpus.collection import KINDS
from corpus.judging import Fault
from corpus.verdicts import Verdict, verdict

_COLUMNS = ("files", "refused", "with notes", *(str(fault) for fault in Fault), "unlike")


def main(arguments: list[str]) -> int:
    """Read the corpus and print the table; return how many files are amiss."""
    verbose = "-v" in arguments
    logging.getLogger("astropy").setLevel(logging.ERROR)  # it tells of each odd header
    chosen = [kind for kind in KINDS if kind in arguments] or list(KINDS)
    print(f"{'':20}" + "".join(f"{column:>17}" for column in _COLUMNS))
    sums: Counter[str] = Counter()
    amiss = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in chosen:
            verdicts = [verdict(file, Path(folder)) for file in KINDS[kind]]
            counted = _counted(verdicts)
            print(f"{kind:20}" + "".join(f"{counted[column]:>17}" for column in _COLUMNS))
            sums += counted
            for found in verdicts:
                amiss += not found.is_right
                if verbose and not found.is_right:
                    print(f"  {found}")
    print(f"{'all':20}" + "".join(f"{sums[column]:>17}" for column in _COLUMNS))
    figures = {column.replace(" ", "_").replace(",", ""): sums[column] for column in _COLUMNS}
    print(json.dumps({"name": "corpus", "kinds": len(chosen), **figures, "amiss": amiss}))
    return amiss


def _counted(verdicts: list[Verdict]) -> Counter[str]:
    counted: Counter[str] = Counter(files=len(verdicts))
    for found in verdicts:
        counted["refused"] += found.is_refused
        counted["with notes"] += found.is_noted
        counted["unlike"] += bool(found.unlike)
        counted.update(str(finding.fault) for _, finding in found.findings)
    return counted


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
