"""Run a service whose modules are loaded while the servers it needs still start.

Called as `python -m datalab.local.early_start MODULE FILE`: loads `MODULE.main`, waits for the file, which says where
the servers are, and becomes `python -m MODULE` with that in its environment. Loading takes a service about a second of
computing (`benchmarks/start.py`), and the servers mostly wait meanwhile.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import time
from pathlib import Path

_POLL_S = 0.01


def main() -> None:
    """Load, wait, run."""
    module, said = sys.argv[1], Path(sys.argv[2])
    importlib.import_module(f"{module}.main")
    while not said.exists():
        time.sleep(_POLL_S)
    os.environ.update(json.loads(said.read_text(encoding="utf-8")))
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
