"""Operation runners on real servers, and the world around them: who requests, who listens, who stores."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

from pydantic import TypeAdapter

from datalab.events.operations import OperationCancelRequested, OperationReport
from datalab.events.topology import DEAD, REPORTS
from datalab.local.ports import free_port
from datalab.local.unit import http_complaint
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from operation_runner.main import create_app
from operation_runner.settings import OperationRunnerSettings
from support.runner import FEW_ANALYSES, OPERATION_PACKAGES, correlation_of, input_file, request, write_fits
from support.waiting import PATIENCE_S, until

_ids = count(1)
_report = TypeAdapter(OperationReport)


class World:
    """Requests operations, stores their inputs, hears the reports."""

    def __init__(self, *, bus, objects):
        self.bus = bus
        self.objects = objects
        self.reports = []

    async def hear(self, message):
        if message.subject in REPORTS.subjects:
            self.reports.append(_report.validate_json(message.body))

    async def request(self, operation, parameters, files=(), **changes):
        """Request an operation; return its id."""
        operation_id = changes.pop("operation_id", None) or next(_ids)
        await self.bus.publish(request(operation, parameters, files, operation_id=operation_id, **changes))
        return operation_id

    async def cancel(self, operation_id, attempt=1):
        await self.bus.publish(
            OperationCancelRequested(
                operation_id=operation_id, attempt=attempt, correlation_id=correlation_of(operation_id)
            )
        )

    async def store(self, path, pixels, **options):
        """Store an image as an input file."""
        file = input_file(write_fits(path, pixels, **options))
        await self.objects.put_file(file.key, path, content_type="application/fits")
        return file

    def of(self, operation_id, kind=None):
        """Return the reports on an operation, or those of one kind."""
        reports = [report for report in self.reports if report.operation_id == operation_id]
        return [report for report in reports if kind is None or report.type == f"operation.{kind}.v1"]

    async def outcome(self, operation_id, *, within_s=PATIENCE_S):
        """Wait for the outcome; there may be only one."""
        kinds = ("succeeded", "failed", "cancelled")
        await until(lambda: any(self.of(operation_id, kind) for kind in kinds), within_s=within_s)
        (outcome,) = [report for kind in kinds for report in self.of(operation_id, kind)]
        return outcome

    async def started(self, operation_id):
        await until(lambda: self.of(operation_id, "started"))

    async def dead_letters(self):
        return [letter async for letter in self.bus.replay(DEAD, after=0, filter_subjects=DEAD.subjects)]


@contextlib.asynccontextmanager
async def world():
    """Yield a `World` with the topology applied and an empty bucket, as the environment says."""
    settings = OperationRunnerSettings()
    bus = Bus(settings=settings, service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    await apply_topology(bus.jetstream)
    async with ObjectStore(settings) as objects:
        await objects.ensure_bucket()
        made = World(bus=bus, objects=objects)
        follower = bus.follow(REPORTS, after=0, on_message=made.hear)
        await follower.start()
        try:
            yield made
        finally:
            await follower.stop()
            await bus.close()


@contextlib.asynccontextmanager
async def runner_here(scratch_dir, **changes):
    """Run the service in this process, as uvicorn would."""
    packages = {"operation_packages": OPERATION_PACKAGES, "analysis_packages": FEW_ANALYSES}
    app = create_app(OperationRunnerSettings(scratch_dir=scratch_dir, **(packages | changes)))
    async with app.router.lifespan_context(app):
        yield app


class RunnerProcess:
    """`python -m operation_runner`, to be stopped and killed."""

    def __init__(self, scratch_dir, **environment):
        self._port = free_port()
        tests = Path(__file__).parents[1]
        self._log = (scratch_dir.parent / f"{scratch_dir.name}.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "operation_runner"],
            env={
                **os.environ,
                "PYTHONPATH": str(tests),
                "DATALAB_OPERATION_PACKAGES": json.dumps(OPERATION_PACKAGES),
                "DATALAB_ANALYSIS_PACKAGES": json.dumps(FEW_ANALYSES),
                "DATALAB_SCRATCH_DIR": str(scratch_dir),
                "DATALAB_HTTP_PORT": str(self._port),
                **environment,
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    async def ready(self):
        async with asyncio.timeout(PATIENCE_S):
            while await http_complaint(f"http://127.0.0.1:{self._port}/readyz"):
                assert self._process.poll() is None, self.log
                await asyncio.sleep(0.05)

    @property
    def log(self):
        return Path(self._log.name).read_text()

    def send(self, signal_number):
        self._process.send_signal(signal_number)

    async def ended(self, within_s=PATIENCE_S):
        """Wait for the end; return the exit code."""
        await until(lambda: self._process.poll() is not None, within_s=within_s)
        return self._process.returncode

    def close(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._log.close()
