"""What each operation and analysis action costs before it has begun: time and memory of importing it in a new process.

Each is imported alone, beside a process that imports what reads a FITS image at all: numpy and astropy.io.fits.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import operation_runner.analysis
import operation_runner.operations
from support import report

#: Modules that are slow to load and that nothing of ours needs: one of them loaded is a mistake.
NEEDLESS = ("scipy.signal", "scipy.stats", "matplotlib", "pandas", "photutils", "sklearn", "dask", "reproject")

MEASURED = """
import json, sys, time
names, needless = json.loads(sys.argv[1]), json.loads(sys.argv[2])
began = time.process_time()
for name in names:
    __import__(name)
seconds = time.process_time() - began
pages = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([1000 * seconds, pages * 4096 / 2**20, [name for name in needless if name in sys.modules]]))
"""
PLAIN = ["numpy", "astropy.io.fits"]


def main() -> None:
    plain_ms, plain_mb, _ = imported(PLAIN)
    print(f"{'numpy and astropy.io.fits':<42}{plain_ms:7.0f} ms {plain_mb:6.0f} MB")
    slowest, largest, loaded = 0.0, 0.0, set()
    for package in (operation_runner.operations, operation_runner.analysis):
        for module in pkgutil.iter_modules(package.__path__):
            milliseconds, megabytes, needless = imported([f"{package.__name__}.{module.name}"])
            print(f"{module.name:<42}{milliseconds:7.0f} ms {megabytes:6.0f} MB {' '.join(needless)}")
            slowest, largest, loaded = max(slowest, milliseconds), max(largest, megabytes), loaded | set(needless)
    report(
        "operation_imports",
        {
            "slowest_ms": round(slowest),
            "largest_mb": round(largest),
            "plain_ms": round(plain_ms),
            "plain_mb": round(plain_mb),
            "needless_modules": sorted(loaded),
        },
    )


def imported(names: list[str]) -> tuple[float, float, list[str]]:
    """Return the CPU time (ms) of importing modules in a new process, its memory (MB), and what it loads in vain."""
    arguments = [sys.executable, "-c", MEASURED, json.dumps(names), json.dumps(NEEDLESS)]
    answer = subprocess.run(arguments, check=True, capture_output=True, text=True)
    milliseconds, megabytes, needless = json.loads(answer.stdout)
    return milliseconds, megabytes, needless


if __name__ == "__main__":
    main()
