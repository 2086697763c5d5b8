"""Nothing is loaded in vain: `benchmarks/operation_imports.py` tells what each operation costs."""

import subprocess
import sys

#: Slow to load, or large, and of no use to any operation or analysis.
NEEDLESS = ("scipy.signal", "scipy.stats", "matplotlib", "pandas", "photutils", "sklearn", "dask", "reproject")

LOADED = f"""
import sys
from operation_runner.offers.loaded import analyses_of, operations_of
operations_of(("operation_runner.operations",)), analyses_of(("operation_runner.analysis",))
print([name for name in {NEEDLESS} if name in sys.modules])
"""


def test_operations_and_analyses_load_nothing_in_vain():
    loaded = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"
