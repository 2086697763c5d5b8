"""How long `datalab up` takes until it is ready, what that costs the processor, and the memory of all it starts.

The first start is on an empty data folder; the others are the warm ones, on what the first has left. Processor time is
that of `up` and everything below it at the moment of readiness: it hardly depends on what else the machine does.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from datalab.local.ports import free_port
from support import report

WARM_STARTS = 5
#: The first words of the last thing `up` says when all is ready.
READY = "API "


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until ready, seconds of processor time by kind of process, memory of all in MB."""

    ready_s: float
    cpu_s: Counter[str]
    megabytes: float


def start(folder: Path) -> Start:
    command = [sys.executable, "-c", "from datalab.cli.main import app; app()", "up"]
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, "--data-dir", str(folder), "--port", str(free_port())], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith(READY):
                    return measured(process.pid, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    raise RuntimeError("it did not become ready")


def measured(pid: int, ready_s: float) -> Start:
    up = psutil.Process(pid)
    cpu_s: Counter[str] = Counter()
    memory = 0
    for child in [up, *up.children(recursive=True)]:
        times = child.cpu_times()
        cpu_s[kind(child.cmdline())] += times.user + times.system + times.children_user + times.children_system
        memory += child.memory_full_info().pss
    return Start(ready_s, cpu_s, memory / 1e6)


def kind(command: list[str]) -> str:
    for name in ("session_api", "operation_runner", "ingest", "forkserver", "resource_tracker"):
        if any(name in word for word in command):
            return name
    return "up" if "up" in command else Path(command[0]).name


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root:
        first = start(Path(root))
        warm = [start(Path(root)) for _ in range(WARM_STARTS)]
    middle = sorted(warm, key=lambda each: sum(each.cpu_s.values()))[WARM_STARTS // 2]
    for name, seconds in middle.cpu_s.most_common():
        print(f"{name:<20} {seconds:6.2f} s of processor time")
    figures = {
        "first_s": round(first.ready_s, 2),
        "warm_s": round(statistics.median(each.ready_s for each in warm), 2),
        "best_s": round(min(each.ready_s for each in warm), 2),
        "cpu_s": round(sum(middle.cpu_s.values()), 2),
        "up_cpu_s": round(middle.cpu_s["up"], 2),
        "memory_mb": round(middle.megabytes),
    }
    report("start", figures)


main()
