"""The runner's ports in memory; each may fail every second call, as a world does that is only just there."""

import contextlib
from pathlib import Path

from datalab.errors import TransientError
from datalab.events.operations import OperationProgressed, OperationResult
from operation_runner.offers.describing import normalised
from operation_runner.offers.registry import describe
from operation_runner.sdk.jobs import Computed, LocalData


class Flaky:
    """Raises `TransientError` at every second call of each method."""

    def __init__(self, *, flaky=False):
        self._flaky = flaky
        self._calls = {}

    def stumble(self, method):
        self._calls[method] = self._calls.get(method, 0) + 1
        if self._flaky and self._calls[method] % 2:
            raise TransientError(f"{type(self).__name__}.{method} is away")


class FakePublisher(Flaky):
    """Stores an event once by its id, as the server does; a flaky one stores it and loses the acknowledgement."""

    def __init__(self, *, flaky=False):
        super().__init__(flaky=flaky)
        self.events = {}

    async def publish(self, event):
        self.events.setdefault(event.event_id, event)
        self.stumble("publish")

    def outcomes(self):
        return [event for event in self.events.values() if not isinstance(event, OperationProgressed)]

    def types(self):
        return [event.type.split(".")[1] for event in self.outcomes()]


class FakeOperations:
    """Operations known in this very process."""

    def __init__(self, *operations):
        self._operations = {operation.name: operation for operation in operations}

    def find(self, name):
        described = describe(self._operations, producer="test")
        return next((each for each in described if each.name == name), None)

    async def normalise(self, operation, parameters):
        return normalised(self._operations[operation], parameters)


class FakeResults(Flaky):
    def __init__(self, *, flaky=False):
        super().__init__(flaky=flaky)
        self.results = {}

    async def find(self, result_key):
        self.stumble("find")
        return self.results.get(result_key)

    @contextlib.asynccontextmanager
    async def new_result(self, job):
        self.stumble("new_result")
        yield FakeNewResult(self, job)


class FakeNewResult:
    def __init__(self, results, job):
        self._results = results
        self._job = job
        self.products = []

    def add(self, product):
        self.products.append(product)

    async def complete(self, computed, *, confirm):
        await confirm()
        self._results.stumble("complete")
        result = OperationResult(
            result_key=self._job.result_key, output_data=tuple(data.content for data in computed.data)
        )
        self._results.results[self._job.result_key] = result
        return result


class FakeLeases(Flaky):
    """Grants every lease but those in `done`, which somebody else completed meanwhile."""

    def __init__(self, *, flaky=False):
        super().__init__(flaky=flaky)
        self.done = set()
        self.on_done = lambda: None
        self.held = 0

    @contextlib.asynccontextmanager
    async def hold(self, result_key):
        self.stumble("hold")
        if result_key in self.done:
            self.on_done()
            yield None
            return
        self.held += 1
        try:
            yield self
        finally:
            self.held -= 1

    async def confirm(self):
        self.stumble("confirm")


class FakeInputs(Flaky):
    def __init__(self, *, flaky=False):
        super().__init__(flaky=flaky)
        self.pins = []

    @contextlib.asynccontextmanager
    async def pinned(self, files):
        self.stumble("pinned")
        self.pins.append(tuple(files))
        yield {(file.source, file.basename): Path(file.basename) for file in files}

    @contextlib.asynccontextmanager
    async def work_dir(self):
        self.stumble("work_dir")
        yield Path("work")


class FakeComputer(Flaky):
    """Answers with `data`, or raises `error`; `during` is awaited meanwhile."""

    def __init__(self, *, flaky=False):
        super().__init__(flaky=flaky)
        self.jobs = []
        self.error = None
        self.during = None

    async def compute(self, job, *, on_progress, on_product):
        self.jobs.append(job)
        on_progress(0.5, "half way")
        if self.during is not None:
            await self.during()
        self.stumble("compute")
        if self.error is not None:
            raise self.error
        data = LocalData(content={"answer": 42}, pictures=())
        return Computed(data=(data,), compute_s=1.5)
