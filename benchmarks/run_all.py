"""Run every benchmark, one after the other; print a table of their figures and write them to bench-results.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NOT_BENCHMARKS = {"dequeue.py", "plain.py", "run_all.py", "support.py"}


def main() -> int:
    folder = Path(__file__).parent
    results, failed = [], []
    for path in sorted(folder.glob("*.py")):
        if path.name in NOT_BENCHMARKS:
            continue
        print(f"--- {path.stem}", flush=True)
        with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            last = ""
            for line in process.stdout:
                print(line, end="", flush=True)
                last = line.strip() or last
        if process.returncode:
            failed.append(path.stem)
        else:
            results.append(json.loads(last))
    print("\nbenchmark        figure                     value")
    for result in results:
        for figure, value in result.items():
            if figure != "name":
                print(f"{result['name']:<16} {figure:<26} {value}")
    (folder.parent / "bench-results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


sys.exit(main())
