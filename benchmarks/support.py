"""What the benchmarks share: a system to measure, memory of a process and its children, the last line.

Before anything is timed, what others wrote goes to the disk (`os.sync`), so that it costs only those who wrote it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from astropy.io import fits
from numpy.typing import NDArray
from pydantic import TypeAdapter

from datalab.events.envelope import new_id
from datalab.events.object_keys import data_key
from datalab.events.operations import (
    InputFile,
    OperationFailed,
    OperationReport,
    OperationRequested,
    OperationSucceeded,
)
from datalab.events.topology import REPORTS
from datalab.local import early_start
from datalab.local.data_folder import DataFolder
from datalab.local.embedded import start_servers
from datalab.local.services import ServiceSpec, default_services
from datalab.local.supervisor import Supervisor
from datalab.local.system import System, prepare_servers
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.streams import StoredMessage
from datalab.platform.logging import configure_logging
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import LogSettings
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory

FITS_TYPE = "application/fits"
_SAMPLE_INTERVAL_S = 0.02
#: Adding up the memory of several processes takes milliseconds; no more than this part of the time goes into it.
_SAMPLING_SHARE = 0.05
#: How long an idle runner is looked at: meanwhile it forks the process for its first operation.
_IDLE_S = 2.0
_reports: TypeAdapter[OperationReport] = TypeAdapter(OperationReport)


def report(name: str, figures: dict[str, object]) -> None:
    """Print the one line of JSON a benchmark ends with."""
    print(json.dumps({"name": name, **figures}))


def write_frames(folder: Path, count: int, side: int, *, first: int = 0) -> list[Path]:
    """Write `count` simulated frames, side x side pixels uint16, RICE-compressed by rows; each with its own noise.

    They are numbered in their names, from `first` on.
    """
    observatory = SimulatedObservatory(camera=Camera(rows=side, columns=side))
    exposure = next(iter(observatory.exposures(NightPlan(n_exposures=1))))
    generator = np.random.default_rng(1)
    paths = []
    for number in range(first, first + count):
        # Another night's noise on the same sky: enough to keep compression and sorting honest, and quick to make.
        noise = generator.normal(0.0, np.sqrt(exposure.pixels / 1.5))
        pixels = (exposure.pixels + noise).clip(0, 65535).astype(np.uint16)
        path = folder / f"sim-bench-20260314-{number:08d}-EX00.fits.fz"
        image = fits.CompImageHDU(pixels, header=exposure.header, name="SCI", tile_shape=(1, side))
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
        paths.append(path)
    return paths


@contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """Give the block a list that holds, after it, the peak memory of a process and its descendants in bytes.

    Memory shared between them counts once (proportional set size).
    """
    peak = [0]
    stop = threading.Event()

    def sample() -> None:
        interval_s = _SAMPLE_INTERVAL_S
        while not stop.wait(interval_s):
            began = time.perf_counter()
            peak[0] = max(peak[0], _tree_bytes(pid))
            interval_s = max(_SAMPLE_INTERVAL_S, (time.perf_counter() - began) / _SAMPLING_SHARE)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        stop.set()
        sampler.join()


def child_running(module: str) -> int:
    """Return the process id of the child that runs a Python module."""
    return next(child.pid for child in psutil.Process().children() if _name_of(child) == module)


def cpu_seconds() -> dict[str, float]:
    """Return the CPU time that each child of this process and its descendants, also those that ended, have used."""
    return {_name_of(child): _tree_seconds(child) for child in psutil.Process().children()}


def _name_of(process: psutil.Process) -> str:
    """Return the name of a program, of a Python program that of the service it is."""
    command = process.cmdline()
    if "-m" not in command:
        return Path(command[0]).name
    module, *arguments = command[command.index("-m") + 1 :]
    return arguments[0] if module == early_start.__name__ else module


def _tree_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    ended = times.children_user + times.children_system
    return float(times.user + times.system + ended + sum(map(_tree_seconds, process.children())))


def _tree_bytes(pid: int) -> int:
    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0
    for process in processes:
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:  # it ended meanwhile
            continue
        total += 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


class Bench:
    """Servers and one runner, driven over the bus as the session API does."""

    def __init__(self, *, system: System, bus: Bus, store: ObjectStore, runner: ServiceSpec) -> None:
        self._system = system
        self._bus = bus
        self._runner = runner
        self.store = store
        self._operations = 0
        self._ends: dict[int, asyncio.Future[OperationSucceeded]] = {}

    async def follow(self) -> None:
        await self._bus.follow(REPORTS, after=0, on_message=self._hear).start()

    async def _hear(self, message: StoredMessage) -> None:
        event = _reports.validate_json(message.body)
        if isinstance(event, OperationSucceeded):
            self._ends[event.operation_id].set_result(event)
        elif isinstance(event, OperationFailed):
            self._ends[event.operation_id].set_exception(RuntimeError(event.message))

    async def fresh_runner(self) -> int:
        """Start the runner anew, with an empty scratch folder; return its pid."""
        name = self._runner.name
        await self._system.supervisor.take_down(name)
        for path in (self._system.folder.scratch / name).rglob("*"):
            if path.is_file():
                path.unlink()
        await self._system.supervisor.bring_up(name)
        pid = self._system.supervisor.status(name).pid
        assert pid is not None
        return pid

    async def upload(self, paths: list[Path]) -> list[InputFile]:
        """Store files as inputs. Their names are new each time, so that no result exists yet."""
        run = new_id()[:8]
        stored = [
            await self.store.put_file(data_key(path.name), path, content_type="application/fits") for path in paths
        ]
        return [
            InputFile(
                source="archive",
                basename=f"{run}-{path.name.partition('.')[0]}",
                key=item.key,
                sha256=item.sha256 or "",
                size_bytes=item.size_bytes,
            )
            for path, item in zip(paths, stored, strict=True)
        ]

    async def compute(
        self, operation: str, inputs: dict[str, list[InputFile]], **parameters: object
    ) -> OperationSucceeded:
        """Request an operation on files by the name of their input, and wait for its success."""
        self._operations += 1
        self._ends[self._operations] = asyncio.get_running_loop().create_future()
        chosen = {
            name: [{"source": item.source, "basename": item.basename} for item in items]
            for name, items in inputs.items()
        }
        await self._bus.publish(
            OperationRequested(
                operation_id=self._operations,
                attempt=1,
                session_id=1,
                operation=operation,
                lane="slow",
                parameters={**chosen, **parameters},
                input_files=tuple(item for items in inputs.values() for item in items),
            )
        )
        return await self._ends[self._operations]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a program took."""

    seconds: float
    megabytes: float


def run_plain(program: str, *arguments: object) -> Run:
    """Run a plain program, given as text; it prints the seconds it took without starting Python and importing."""
    os.sync()
    with (
        subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
        peak_memory(process.pid) as peak,
    ):
        output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("the plain program failed")
    return Run(round(json.loads(output), 3), round(peak[0] / 1e6, 1))


async def run_ours(
    running: Bench, operation: str, paths: dict[str, list[Path]], **parameters: object
) -> tuple[Run, OperationSucceeded]:
    """Run an operation on a runner that has nothing cached; from publishing the request to hearing the success."""
    pid = await running.fresh_runner()
    inputs = {name: await running.upload(files) for name, files in paths.items()}
    os.sync()
    with peak_memory(pid) as peak:
        began = time.perf_counter()
        success = await running.compute(operation, inputs, **parameters)
        seconds = time.perf_counter() - began
    if success.reused:
        raise RuntimeError("the result was not computed")
    return Run(round(seconds, 3), round(peak[0] / 1e6, 1)), success


async def idle_megabytes(running: Bench) -> float:
    """Return the memory of a runner that was just started and waits for work."""
    pid = await running.fresh_runner()
    with peak_memory(pid) as peak:
        await asyncio.sleep(_IDLE_S)
    return peak[0] / 1e6


async def stored_pixels(running: Bench, success: OperationSucceeded, number: int = 0) -> NDArray[Any]:
    """Return the pixels of an output of an operation."""
    content = await running.store.get_bytes(success.result.output_files[number].files["fits"].key, max_bytes=10**9)
    pixels: NDArray[Any] = fits.getdata(BytesIO(content), "SCI")
    return pixels


def middle(runs: Sequence[Run]) -> Run:
    """Return the median of time and of memory."""
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.megabytes for run in runs),
    )


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start nats-server, S3 server and one runner in a folder of their own."""
    configure_logging(LogSettings(log_level="ERROR", log_format="console"), service="benchmark")
    async with AsyncExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True))
        folder = stack.enter_context(DataFolder(Path(root)))
        supervisor = await stack.enter_async_context(Supervisor(folder=folder))
        addresses = await start_servers(supervisor=supervisor, folder=folder, environ=os.environ)
        system = System(supervisor=supervisor, folder=folder, addresses=addresses, api_url="", admin_token="")
        await prepare_servers(system.nats_settings, system.s3_settings)
        services = default_services(addresses=addresses, folder=folder)
        (runner,) = (service for service in services if service.name.startswith("operation-runner"))
        await supervisor.start(runner)
        bus = Bus(settings=system.nats_settings, service="bench", metrics=BusMetrics(create_registry()))
        await bus.connect()
        stack.push_async_callback(bus.close)
        store = await stack.enter_async_context(ObjectStore(system.s3_settings))
        running = Bench(system=system, bus=bus, store=store, runner=runner)
        await running.follow()
        yield running
