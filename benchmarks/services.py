"""What services for observatories take, through HTTP.

The events of nights nobody has asked for, one after the other; then those of a night that is kept, by one client. Then
queues that sixteen machines empty.
Beside the times stands the processor time each costs: on a busy machine it tells more.

Each part is a function that is given the running system and returns its figures; `PARTS` names them.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from datalab.local.system import System, running_system
from dequeue import dequeues
from support import cpu_seconds, report

#: The two kinds of figures, in ms, and what was asked for.
COLD_MS, CACHED_P99_MS = 300, 20
NIGHTS = 60
QUESTIONS = 2000
_NOT_TIMED = 50
#: In the evening of 2024-06-09 at the site.
_WHEN_S, _DAY_S = 1718000000, 86400
_SITE = {"latitude": 31.33, "longitude": -100.46, "TZ_database_name": "America/Chicago"}


async def events(system: System) -> dict[str, float]:
    """Return how long the events of a night take when they are computed, and when they are kept."""
    async with httpx.AsyncClient(base_url=system.api_url, timeout=60.0, trust_env=False) as client:
        token = {"Authorization": f"Token {system.admin_token}"}
        (await client.put("/bench/config", json=_SITE, headers=token)).raise_for_status()
        first_ms = await _elapsed_ms(client, _events(_WHEN_S - _DAY_S))
        cold_ms, cold_cpu_ms = await _asked(client, [_events(_WHEN_S + day * _DAY_S) for day in range(NIGHTS)])
        await _asked(client, [_events(_WHEN_S)] * _NOT_TIMED)
        cached_ms, cached_cpu_ms = await _asked(client, [_events(_WHEN_S + second) for second in range(QUESTIONS)])
    figures = {
        "events_cold_ms": round(statistics.median(cold_ms), 1),
        "events_cold_slowest_ms": round(max(cold_ms), 1),
        "events_first_ms": round(first_ms, 1),
        "events_cold_cpu_ms": round(cold_cpu_ms, 1),
        "events_cached_p99_ms": round(statistics.quantiles(cached_ms, n=100)[98], 1),
        "events_cached_p50_ms": round(statistics.median(cached_ms), 1),
        "events_cached_cpu_ms": round(cached_cpu_ms, 2),
    }
    print(
        f"a night that is computed: {figures['events_cold_ms']} ms (asked {COLD_MS}), {figures['events_cold_cpu_ms']} "
        f"ms of processors; the first of a runner {figures['events_first_ms']} ms\n"
        f"one that is kept: p99 {figures['events_cached_p99_ms']} ms (asked {CACHED_P99_MS}), "
        f"{figures['events_cached_cpu_ms']} ms of processors",
        flush=True,
    )
    return figures


#: What is measured, in this order.
PARTS: Sequence[Callable[[System], Awaitable[dict[str, float]]]] = (events, dequeues)


def _events(when_s: int) -> str:
    return f"/events?site=bench&when={when_s}"


async def _asked(client: httpx.AsyncClient, paths: Sequence[str]) -> tuple[list[float], float]:
    """Return how long each question took, and the processor time of one in all services together, in ms."""
    before = sum(cpu_seconds().values())
    times_ms = [await _elapsed_ms(client, path) for path in paths]
    return times_ms, 1000 * (sum(cpu_seconds().values()) - before) / len(paths)


async def _elapsed_ms(client: httpx.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    (await client.get(path)).raise_for_status()
    return 1000 * (time.perf_counter() - began)


async def main() -> None:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root:
        async with running_system(Path(root)) as system:
            for part in PARTS:
                figures |= await part(system)
    report("services", {**figures})


if __name__ == "__main__":
    asyncio.run(main())
