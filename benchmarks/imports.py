"""What it costs to import each operation, and which of them load parts of scipy that few need.

Every operation is imported in a process of its own, which has imported what a runner's process has anyway: the SDK,
numpy, astropy's FITS and tables. Seconds are processor time, the least of three. `scipy_signal` and `scipy_stats` count
the operations that load these when they are imported; `period_search_loads` are those that a period search loads
besides.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import operation_runner.operations
from support import report

ROUNDS = 3
#: Each takes 20 to 30 MB and, from a cold disk, up to more than a second.
HEAVY = ("scipy.signal", "scipy.stats", "scipy.optimize", "scipy.ndimage", "matplotlib", "pandas", "skimage")
MEASURE = """
import json, sys, time
import numpy, astropy.io.fits, astropy.table, operation_runner.sdk
before = set(sys.modules)
began = time.process_time()
{code}
seconds = time.process_time() - began
print(json.dumps([seconds, [name for name in {heavy!r} if name in sys.modules and name not in before]]))
"""
SEARCH = """
from datalab.astro.photometry.period import period_search
times = numpy.arange(200) * 0.013
period_search(times, 13 + numpy.sin(times * 9), numpy.full(200, 0.01))
"""


def main() -> None:
    names = sorted(path.stem for path in Path(operation_runner.operations.__path__[0]).glob("[a-z]*.py"))
    print(f"{'operation':<36} {'s':>6}  loads")
    seconds, heavy = {}, {}
    for name in names:
        best, loads = least(f"import operation_runner.operations.{name}")
        seconds[name], heavy[name] = best, loads
        print(f"{name:<36} {best:6.2f}  {' '.join(loads)}")
    search_s, search_loads = least(SEARCH)
    print(f"{'a period search':<36} {search_s:6.2f}  {' '.join(search_loads)}")
    slowest = max(seconds, key=lambda name: seconds[name])
    report(
        "imports",
        {
            "median_s": round(statistics.median(seconds.values()), 3),
            "slowest": slowest,
            "slowest_s": round(seconds[slowest], 3),
            "scipy_signal": sum("scipy.signal" in loads for loads in heavy.values()),
            "scipy_stats": sum("scipy.stats" in loads for loads in heavy.values()),
            "period_search_s": round(search_s, 3),
            "period_search_loads": search_loads,
        },
    )


def least(code: str) -> tuple[float, list[str]]:
    """Return the least processor seconds of some rounds, and which heavy modules were loaded."""
    rounds = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", MEASURE.format(code=code, heavy=HEAVY)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rounds.append(json.loads(done.stdout))
    seconds, loads = min(rounds)
    return seconds, loads


if __name__ == "__main__":
    main()
