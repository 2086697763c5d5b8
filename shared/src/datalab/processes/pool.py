"""Processes that answer requests of the event loop, so that nothing they do can block, bloat or kill the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from datalab.processes.outcomes import Outcome, ProcessLostError, TimeLimitError
from datalab.processes.reuse import Reuse
from datalab.processes.worker import WorkerProcess

Reply = Callable[[Outcome], None]


class WorkerPool:
    """Has `places` requests answered at once, each by a process that does what `target` names; more wait.

    Processes are started when they are needed. One that has answered answers the next request, the last one first: it
    has at hand what is asked for next. With `reuse`, it does so only if it is as new: one that failed, was changed or
    has answered often enough takes its memory with it, and another is forked ahead, so that the next request need not
    wait for that; `on_spent` is told why.
    """

    def __init__(
        self,
        target: str,
        *arguments: Any,
        places: int,
        reuse: Reuse | None = None,
        on_spent: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._target = target
        self._arguments = arguments
        self._reuse = reuse
        self._on_spent = on_spent
        self._places = asyncio.Semaphore(places)
        self._threads = ThreadPoolExecutor(places, thread_name_prefix=target)
        self._idle: list[WorkerProcess] = []
        self._calls: set[_Call] = set()
        self._ahead = threading.Lock()

    async def start(self) -> None:
        """Start one process, so that the first request need not wait until everything is loaded."""
        await asyncio.to_thread(self._start_ahead)

    async def stop(self) -> None:
        """End the processes; who still waits for an answer hears that its process was lost."""
        for call in self._calls:
            call.abandon()
        await asyncio.to_thread(self._threads.shutdown)
        while self._idle:
            await asyncio.to_thread(self._idle.pop().end)

    @property
    def idle_pids(self) -> list[int]:
        """The process ids of those that wait for a request, the next one last."""
        return [worker.pid for worker in self._idle]

    async def ask(
        self,
        request: Any,
        *,
        on_message: Callable[[Any, Reply], None] | None = None,
        time_limit_s: float | None = None,
        on_first_loss: Callable[[ProcessLostError], None] | None = None,
    ) -> Any:
        """Return the answer; cancelling kills the process that works on it.

        `on_message` hears in the event loop what the process says meanwhile; `Parent.ask` waits for a call of the
        second argument. With `on_first_loss`, another process is asked once more before a loss is raised.

        Raises what `Outcome.result` does, `ProcessLostError` and, with a time limit, `TimeLimitError`.
        """
        outcome = await self._asked(request, on_message, time_limit_s)
        if on_first_loss is not None and isinstance(outcome.error, ProcessLostError):
            on_first_loss(outcome.error)
            outcome = await self._asked(request, on_message, time_limit_s)
        return outcome.result()

    async def _asked(
        self, request: Any, on_message: Callable[[Any, Reply], None] | None, time_limit_s: float | None
    ) -> Outcome:
        await self._places.acquire()
        call = _Call(request, on_message)
        self._calls.add(call)

        def leave(_: asyncio.Future[None]) -> None:
            self._calls.discard(call)
            self._places.release()

        attended = asyncio.get_running_loop().run_in_executor(self._threads, self._attend, call)
        attended.add_done_callback(leave)
        try:
            async with asyncio.timeout(time_limit_s):
                await asyncio.wait([call.answered])
        except TimeoutError:
            return Outcome(error=TimeLimitError(f"it takes more than {time_limit_s:g} s"))
        finally:
            if not call.answered.done():
                call.abandon()
                await asyncio.wait([attended])  # also whoever cancelled finds no process left
        return call.answered.result()

    def _attend(self, call: _Call) -> None:
        """Do everything about one process in one thread, so that nothing is done to it twice or too late."""
        try:
            worker = self._living_worker()
            outcome = call.asked(worker)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            call.settle(Outcome(error=error))
        else:
            self._let_go(call, worker, outcome)
        if self._reuse is not None:
            with suppress(ProcessLostError):  # the next request tries again, and is told
                self._start_ahead()

    def _let_go(self, call: _Call, worker: WorkerProcess, outcome: Outcome) -> None:
        """Hand over the answer, and keep the process for the next request if it can answer that."""
        left_alone = call.let_go()
        if self._reuse is None and left_alone:
            self._idle.append(worker)
            call.settle(outcome)
            return
        call.settle(outcome)  # nothing else is worth waiting for
        may_go_on = left_alone and outcome.error is None
        spent = worker.why_spent() if may_go_on else ""
        if may_go_on and not spent:
            self._idle.append(worker)
            return
        worker.end()
        if spent:
            self._on_spent(spent)

    def _living_worker(self) -> WorkerProcess:
        with suppress(IndexError):
            while True:
                worker = self._idle.pop()
                if not worker.has_died():
                    return worker
                worker.end()  # it was killed while it waited
        return self._new_worker()

    def _new_worker(self) -> WorkerProcess:
        return WorkerProcess.start(self._target, *self._arguments, reuse=self._reuse)

    def _start_ahead(self) -> None:
        with self._ahead:
            if not self._idle:
                self._idle.append(self._new_worker())


class _Call:
    """A request in the hands of a thread, which the event loop may abandon at any moment."""

    def __init__(self, request: Any, on_message: Callable[[Any, Reply], None] | None) -> None:
        self._request = request
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[Outcome] = self._loop.create_future()
        self._turn = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._abandoned = False

    def abandon(self) -> None:
        """Kill the process that works on it."""
        with self._turn:
            self._abandoned = True
            if self._worker is not None:
                self._worker.kill()

    def asked(self, worker: WorkerProcess) -> Outcome:
        """Have a process answer. Raises `ProcessLostError`."""

        def hear(message: Any) -> None:
            if self._on_message is not None:
                self._loop.call_soon_threadsafe(self._on_message, message, worker.reply)

        with self._turn:
            self._worker = worker
            if self._abandoned:
                worker.kill()
        return worker.ask(self._request, hear)

    def let_go(self) -> bool:
        """From now on leave the process alone; tell whether it was left alone until now."""
        with self._turn:
            self._worker = None
            return not self._abandoned

    def settle(self, outcome: Outcome) -> None:
        """Give the answer to whoever waits for it."""
        self._loop.call_soon_threadsafe(self.answered.set_result, outcome)
